/* The board: its memory map, the configuration that it is given, and what outlives a reset. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Words that are put into PSRAM before the start; lab/devices/rtos/board.py writes them. */
struct configuration {
    uint32_t magic;
    uint32_t address; /* IPv4, the first octet highest */
    uint32_t prefix; /* bits of the network */
    uint32_t period; /* ms between two steps */
    uint32_t seed;
    uint32_t connections; /* of clients, at most */
    uint32_t watchdog; /* ms */
    uint32_t boots; /* starts so far */
    uint32_t sequence; /* the last step; the next is one more */
    int32_t state[5]; /* the plant's, see plant.h; valid after the first step */
};
#define CONFIGURATION ((const struct configuration *)0x21000000)
#define CONFIGURATION_MAGIC 0x45444745u

enum cause { COLD = 0, RESET = 1, WATCHDOG = 2 };

/* What a reset leaves, and a loss of power does not. */
struct retained {
    uint32_t magic;
    uint32_t boots;
    uint32_t cause; /* of the next start, if there is no other power-on */
    uint32_t sequence;
    uint32_t requested;
    uint32_t coils;
    int32_t state[5];
};
#define RETAINED ((volatile struct retained *)0x21001000)
#define RETAINED_MAGIC 0x52455431u

#define ETHERNET_BASE 0x40200000u
#define ETHERNET_IRQ 13
#define UART_RX_IRQ 0

void board_start(void);
void enable_interrupt(int number);
/* The clock's rate in thousandths of what it should be. */
void set_clock(uint32_t thousandths);
void watchdog_start(uint32_t milliseconds);
void watchdog_kick(void);
/* A line of the log: what is printed is out when this returns. %u and %d alone. */
void say(const char *form, ...) __attribute__((format(printf, 1, 2)));
/* The number that digits are, without overflow checks: of orders, and for lwIP. */
int number_in(const char *digits);
/* The next byte of the service port, waits for it. */
char service_byte(void);

#endif
