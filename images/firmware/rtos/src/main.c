/* A device of edge-lab as firmware: FreeRTOS, lwIP, a boiler's values by Modbus TCP.

   The log on the UART, a line each, ended by a dot: a reset may cut one off. A step is in it before
   any client can read it:
     B boots cause      the device has started: 0 power, 1 reset, 2 watchdog
     R                  it listens
     T sequence requested temperature pressure flow valve heater setpoint energy
       temperature pressure valve heater energy
                        a step, before it is shown: as registers have it, and the state (plant.h)
     W address value    a client writes, before it is in effect; address cN is a coil
     C clients refused  connections
     H                  the server's task hangs
     P 0 | P 1          the plant moves, or stands still
     F place            the firmware has failed and resets
   The service port, the other way, a line each:
     H                  the server's task hangs
     C limit            connections of clients at most
     O limit            connections at most when the device reads itself
     K thousandths      the clock's rate
     L 0 | L 1          listen, or not
     P 0 | P 1          the plant moves, or stands still: answered when no step is under way */
#include "FreeRTOS.h"
#include "board.h"
#include "device.h"
#include "ethernet.h"
#include "lwip/tcpip.h"
#include "task.h"

static struct shown now_shown;
static uint16_t requested, coils;
static volatile bool stands_still;

uint32_t random_number(void)
{
    static uint32_t state;
    if (!state)
        state = CONFIGURATION->seed * 2654435761u ^ RETAINED->boots * 2246822519u ^ 1u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state ^ xTaskGetTickCount();
}

struct shown device_shown(void)
{
    taskENTER_CRITICAL();
    struct shown copy = now_shown;
    taskEXIT_CRITICAL();
    return copy;
}

uint16_t device_requested(void) { return requested; }

uint16_t device_coils(void) { return coils; }

void device_set_requested(uint16_t raw)
{
    say("W %u %u", SETPOINT_REGISTER, raw);
    requested = raw;
    RETAINED->requested = raw;
}

void device_set_coils(int start, int count, uint16_t values)
{
    for (int number = 0; number < count; number++) {
        uint16_t bit = (uint16_t)(1u << (start + number));
        bool on = values >> number & 1;
        say("W c%d %d", start + number, on);
        coils = (uint16_t)(on ? coils | bit : coils & ~bit);
    }
    RETAINED->coils = coils;
}

static void begin(void)
{
    const struct configuration *given = CONFIGURATION;
    volatile struct retained *kept = RETAINED;
    configASSERT(given->magic == CONFIGURATION_MAGIC);
    bool warm = kept->magic == RETAINED_MAGIC;
    plant_begin(&now_shown, given->seed);
    if (!warm) {
        kept->magic = RETAINED_MAGIC;
        kept->boots = given->boots;
        kept->cause = COLD;
        kept->sequence = given->sequence;
        kept->requested = SETPOINT_INITIAL;
        kept->coils = 0;
        for (int number = 0; number < STATES; number++)
            kept->state[number] = given->state[number];
    }
    kept->boots++;
    now_shown.sequence = kept->sequence;
    if (kept->sequence)
        for (int number = 0; number < STATES; number++)
            now_shown.state[number] = kept->state[number];
    requested = (uint16_t)kept->requested;
    coils = (uint16_t)kept->coils;
    say("B %u %u", (unsigned)kept->boots, (unsigned)kept->cause);
    kept->cause = RESET;
}

static void step(void)
{
    struct shown next = now_shown;
    uint16_t setpoint = requested;
    plant_step(&next, setpoint, CONFIGURATION->period, CONFIGURATION->seed);
    /* First, so that no number is shown twice whatever happens in between. */
    RETAINED->sequence = next.sequence;
    for (int number = 0; number < STATES; number++)
        RETAINED->state[number] = next.state[number];
    uint16_t block[BLOCK];
    plant_block(&next, block);
    const int32_t *state = next.state;
    say("T %u %u %u %u %u %u %u %u %u %d %d %d %d %d", (unsigned)next.sequence, requested,
        block[2], block[3], block[4], block[5], block[6], block[7],
        (unsigned)(block[8] << 16 | block[9]), (int)state[TEMPERATURE], (int)state[PRESSURE],
        (int)state[VALVE], (int)state[HEATER], (int)state[ENERGY]);
    taskENTER_CRITICAL();
    now_shown = next;
    taskEXIT_CRITICAL();
}

static void plant_run(void *argument)
{
    (void)argument;
    TickType_t last = xTaskGetTickCount();
    for (;;) {
        xTaskDelayUntil(&last, pdMS_TO_TICKS(CONFIGURATION->period));
        if (!stands_still)
            step();
    }
}

/* Kicks the watchdog as long as the server's task goes its rounds. */
static void guard_run(void *argument)
{
    (void)argument;
    uint32_t before = server_rounds - 1;
    watchdog_start(CONFIGURATION->watchdog);
    for (;;) {
        uint32_t rounds = server_rounds;
        if (rounds != before)
            watchdog_kick();
        before = rounds;
        vTaskDelay(pdMS_TO_TICKS(CONFIGURATION->watchdog / 8));
    }
}

static void obey(const char *order)
{
    uint32_t number = (uint32_t)number_in(order + 1);
    if (order[0] == 'H')
        server_hangs = true;
    else if (order[0] == 'C')
        server_limit = number;
    else if (order[0] == 'O')
        server_own_limit = number;
    else if (order[0] == 'K' && number >= 100 && number <= 1000)
        set_clock(number);
    else if (order[0] == 'L')
        server_listens = number != 0;
    else if (order[0] == 'P') {
        stands_still = number != 0;
        say("P %u", (unsigned)number); /* after a step that waits for the log */
    }
}

static void service_run(void *argument)
{
    (void)argument;
    char order[16];
    size_t size = 0;
    for (;;) {
        char byte = service_byte();
        if (byte == '\n') {
            order[size] = 0;
            obey(order);
            size = 0;
        } else if (size < sizeof order - 1) {
            order[size++] = byte;
        }
    }
}

static void started(void *argument)
{
    static struct netif netif;
    const struct configuration *given = CONFIGURATION;
    ip4_addr_t address = {lwip_htonl(given->address)}, none = {0};
    ip4_addr_t mask = {lwip_htonl(given->prefix ? ~0u << (32 - given->prefix) : 0)};
    (void)argument;
    netif_add(&netif, &address, &mask, &none, NULL, ethernet_init, tcpip_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    xTaskCreate(server_run, "server", 1024, NULL, 3, NULL);
}

static void first_run(void *argument)
{
    (void)argument;
    begin();
    step();
    server_limit = CONFIGURATION->connections;
    xTaskCreate(plant_run, "plant", 512, NULL, 5, NULL);
    xTaskCreate(guard_run, "guard", 256, NULL, 5, NULL);
    xTaskCreate(service_run, "service", 256, NULL, 2, NULL);
    tcpip_init(started, NULL);
    vTaskDelete(NULL);
}

int main(void)
{
    board_start(); /* its first byte ends a line that a reset may have cut off */
    xTaskCreate(first_run, "first", 512, NULL, 5, NULL);
    vTaskStartScheduler();
    return 0;
}
