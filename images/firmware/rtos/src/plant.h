/* A boiler: the model of lab/devices/plant.py, with numbers of its own noise. */
#ifndef PLANT_H
#define PLANT_H

#include <stdbool.h>
#include <stdint.h>

enum { TEMPERATURE, PRESSURE, VALVE, HEATER, ENERGY, STATES }; /* m°C, mbar, m%, 0 or 1, mWh */

struct shown {
    uint32_t sequence;
    int32_t state[STATES];
    uint16_t setpoint; /* 0.1 °C */
};

#define SETPOINT_INITIAL 700
#define SETPOINT_LOW 400
#define SETPOINT_HIGH 950

#define BLOCK 10
/* The block of registers: sequence, temperature, pressure, flow, valve, heater, setpoint, energy. */
void plant_block(const struct shown *shown, uint16_t block[BLOCK]);
void plant_begin(struct shown *shown, uint32_t seed);
void plant_step(struct shown *shown, uint16_t setpoint, uint32_t milliseconds, uint32_t seed);
uint32_t plant_flags(const struct shown *shown);

#endif
