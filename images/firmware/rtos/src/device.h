/* What the device shows, and what is written to it. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "plant.h"

#define SETPOINT_REGISTER 100
#define BITS 16 /* coils, discrete inputs */

/* One consistent step. */
struct shown device_shown(void);
uint16_t device_requested(void);
uint16_t device_coils(void);
/* Written to the ground truth before it is in effect. */
void device_set_requested(uint16_t raw);
void device_set_coils(int start, int count, uint16_t values);

/* Of the server of modbus connections. */
extern volatile uint32_t server_rounds;
/* Of clients; of all connections, for the reads of the device by itself. */
extern volatile uint32_t server_limit, server_own_limit;
extern volatile bool server_listens, server_hangs;
void server_run(void *argument);

#endif
