#include "plant.h"

/* Each step has noise of its own: seed and sequence number are enough to go on. */
static uint32_t noise_state;

static void noise_begin(uint32_t seed, uint32_t sequence)
{
    noise_state = seed * 2654435761u ^ sequence * 2246822519u ^ 0x9e3779b9u;
    if (!noise_state)
        noise_state = 1;
}

/* Uniform in [0, 1). */
static float uniform(void)
{
    noise_state ^= noise_state << 13;
    noise_state ^= noise_state >> 17;
    noise_state ^= noise_state << 5;
    return (float)(noise_state >> 8) / 16777216.0f;
}

/* Normal, by the sum of twelve. */
static float normal(float deviation)
{
    float sum = -6.0f;
    for (int number = 0; number < 12; number++)
        sum += uniform();
    return sum * deviation;
}

static float held(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

static int32_t whole(float value) { return (int32_t)(value < 0 ? value - 0.5f : value + 0.5f); }

static float pressure_at(float temperature) { return 1.0f + 0.025f * (temperature - 20.0f); }

void plant_begin(struct shown *shown, uint32_t seed)
{
    noise_begin(seed, 0);
    float temperature = 60.0f + 10.0f * uniform();
    shown->state[TEMPERATURE] = whole(temperature * 1000);
    shown->state[PRESSURE] = whole(pressure_at(temperature) * 1000);
    shown->state[VALVE] = whole((30.0f + 40.0f * uniform()) * 1000);
    shown->state[HEATER] = 0;
    shown->state[ENERGY] = 0;
    shown->setpoint = SETPOINT_INITIAL;
}

static void move(int32_t *state, float setpoint, float seconds)
{
    float temperature = (float)state[TEMPERATURE] / 1000;
    float pressure = (float)state[PRESSURE] / 1000, valve = (float)state[VALVE] / 1000;
    if (temperature < setpoint - 2.0f)
        state[HEATER] = 1;
    else if (temperature > setpoint + 2.0f)
        state[HEATER] = 0;
    valve = held(valve + normal(2.0f) * seconds, 20, 100);
    float rate = (float)state[HEATER] * 0.9f - (0.003f + 0.00004f * valve) * (temperature - 20.0f);
    temperature = held(temperature + rate * seconds + normal(0.05f), 5, 110);
    pressure += 0.3f * seconds * (pressure_at(temperature) - pressure);
    state[TEMPERATURE] = whole(temperature * 1000);
    state[PRESSURE] = whole(held(pressure, 0.5f, 6.0f) * 1000);
    state[VALVE] = whole(valve * 1000);
    state[ENERGY] += state[HEATER] * whole(24000.0f * 1000 * seconds / 3600);
}

void plant_step(struct shown *shown, uint16_t setpoint, uint32_t milliseconds, uint32_t seed)
{
    shown->sequence++;
    shown->setpoint = setpoint;
    noise_begin(seed, shown->sequence);
    while (milliseconds) {
        uint32_t part = milliseconds < 1000 ? milliseconds : 1000;
        move(shown->state, (float)setpoint / 10, (float)part / 1000);
        milliseconds -= part;
    }
}

static uint16_t tenth(int32_t milli) { return (uint16_t)((milli + 50) / 100); }

void plant_block(const struct shown *shown, uint16_t block[BLOCK])
{
    uint32_t energy = (uint32_t)(shown->state[ENERGY] / 1000);
    block[0] = (uint16_t)(shown->sequence >> 16);
    block[1] = (uint16_t)shown->sequence;
    block[2] = tenth(shown->state[TEMPERATURE]);
    block[3] = (uint16_t)((shown->state[PRESSURE] + 5) / 10);
    block[4] = (uint16_t)((shown->state[VALVE] * 45 + 5000) / 10000); /* 0.45 l/min for each % */
    block[5] = (uint16_t)((shown->state[VALVE] + 500) / 1000);
    block[6] = (uint16_t)shown->state[HEATER];
    block[7] = shown->setpoint;
    block[8] = (uint16_t)(energy >> 16);
    block[9] = (uint16_t)energy;
}

uint32_t plant_flags(const struct shown *shown)
{
    uint16_t block[BLOCK];
    plant_block(shown, block);
    return (block[6] == 1 ? 1u : 0) | (block[2] > block[7] ? 2u : 0) | (block[5] >= 50 ? 4u : 0);
}
