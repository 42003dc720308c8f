/* Start, interrupts, clock, watchdog and UART of the board. */
#include <stdarg.h>
#include <string.h>

#include "FreeRTOS.h"
#include "board.h"
#include "queue.h"
#include "semphr.h"
#include "task.h"

extern uint32_t __stack_top, __data_load, __data_start, __data_end, __bss_start, __bss_end;
void SVC_Handler(void);
void PendSV_Handler(void);
void SysTick_Handler(void);
void ethernet_interrupt(void);
int main(void);

#define UART_DATA REGISTER(0x40004000)
#define UART_STATE REGISTER(0x40004004)
#define UART_CONTROL REGISTER(0x40004008)
#define UART_INTERRUPT REGISTER(0x4000400c)
#define UART_DIVIDER REGISTER(0x40004010)
#define UART_TX_FULL 1u
#define UART_RX_FULL 2u

#define WATCHDOG_LOAD REGISTER(0x40008000)
#define WATCHDOG_CONTROL REGISTER(0x40008008)
#define WATCHDOG_CLEAR REGISTER(0x4000800c)
#define WATCHDOG_LOCK REGISTER(0x40008c00)
#define WATCHDOG_UNLOCKED 0x1ACCE551u

#define SYSTICK_LOAD REGISTER(0xe000e014)
#define INTERRUPT_ENABLE REGISTER(0xe000e100)
#define INTERRUPT_PRIORITY(number) (*(volatile uint8_t *)(0xe000e400 + (number)))
#define RESET_CONTROL REGISTER(0xe000ed0c)

int firmware_errno;

static SemaphoreHandle_t line;
static QueueHandle_t service;
static uint32_t watchdog_load;

static void put(char byte)
{
    while (UART_STATE & UART_TX_FULL) {
    }
    UART_DATA = (uint32_t)byte;
}

static void restart(void)
{
    RESET_CONTROL = 0x05fa0004;
    for (;;) {
    }
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

static void put_number(uint32_t number)
{
    char digits[11];
    char *at = digits + sizeof digits - 1;
    *at = 0;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    put_text(at);
}

/* An error of the firmware itself: said without the scheduler, then reset. */
void firmware_failed(const char *file, int number)
{
    put_text("\nF ");
    put_text(file);
    put(':');
    put_number((uint32_t)number);
    put_text(" .\n");
    restart();
}

int number_in(const char *digits)
{
    int number = 0;
    for (; *digits; digits++)
        if (*digits >= '0' && *digits <= '9')
            number = number * 10 + (*digits - '0');
    return number;
}

void vApplicationMallocFailedHook(void) { firmware_failed("heap", 0); }

void vApplicationStackOverflowHook(TaskHandle_t task, char *name)
{
    (void)task;
    firmware_failed(name, 0);
}

void vApplicationIdleHook(void) { __asm volatile("wfi"); }

void say(const char *form, ...)
{
    va_list values;
    va_start(values, form);
    xSemaphoreTake(line, portMAX_DELAY);
    for (; *form; form++) {
        if (*form != '%') {
            put(*form);
            continue;
        }
        form++;
        int32_t number = va_arg(values, int32_t);
        if (*form == 'd' && number < 0)
            put('-');
        put_number(*form == 'd' && number < 0 ? 0u - (uint32_t)number : (uint32_t)number);
    }
    put_text(" .\n");
    xSemaphoreGive(line);
    va_end(values);
}

static void uart_interrupt(void)
{
    BaseType_t woken = pdFALSE;
    UART_INTERRUPT = 2;
    while (UART_STATE & UART_RX_FULL) {
        char byte = (char)UART_DATA;
        xQueueSendFromISR(service, &byte, &woken);
    }
    portYIELD_FROM_ISR(woken);
}

char service_byte(void)
{
    char byte;
    xQueueReceive(service, &byte, portMAX_DELAY);
    return byte;
}

void enable_interrupt(int number)
{
    INTERRUPT_PRIORITY(number) = configMAX_SYSCALL_INTERRUPT_PRIORITY;
    INTERRUPT_ENABLE = 1u << number;
}

void board_start(void)
{
    line = xSemaphoreCreateMutex();
    service = xQueueCreate(64, 1);
    UART_DIVIDER = 16;
    UART_CONTROL = 1 | 2 | 8; /* transmit, receive, interrupt of what is received */
    enable_interrupt(UART_RX_IRQ);
    put('\n');
}

void set_clock(uint32_t thousandths)
{
    uint32_t whole = configCPU_CLOCK_HZ / configTICK_RATE_HZ;
    SYSTICK_LOAD = (uint32_t)((uint64_t)whole * 1000 / thousandths) - 1;
}

/* The watchdog has a clock of its own: its first half ends in an NMI, its second in a reset. */
void watchdog_start(uint32_t milliseconds)
{
    watchdog_load = configCPU_CLOCK_HZ / 1000 * (milliseconds / 2);
    WATCHDOG_LOCK = WATCHDOG_UNLOCKED;
    WATCHDOG_LOAD = watchdog_load;
    WATCHDOG_CONTROL = 3;
}

void watchdog_kick(void)
{
    WATCHDOG_CLEAR = 1;
    WATCHDOG_LOAD = watchdog_load;
    RETAINED->cause = RESET;
}

static void nmi(void) { RETAINED->cause = WATCHDOG; }

static void fault(void) { firmware_failed("fault", 0); }

static void reset(void)
{
    memcpy(&__data_start, &__data_load, (size_t)((char *)&__data_end - (char *)&__data_start));
    memset(&__bss_start, 0, (size_t)((char *)&__bss_end - (char *)&__bss_start));
    main();
}

void Reset_Handler(void) __attribute__((alias("reset")));

typedef void (*handler)(void);
__attribute__((section(".vectors"), used)) static const handler vectors[16 + ETHERNET_IRQ + 1] = {
    [0] = (handler)&__stack_top,
    [1] = Reset_Handler,
    [2] = nmi,
    [3] = fault,
    [4] = fault,
    [5] = fault,
    [6] = fault,
    [11] = SVC_Handler,
    [14] = PendSV_Handler,
    [15] = SysTick_Handler,
    [16 + UART_RX_IRQ] = uart_interrupt,
    [16 + ETHERNET_IRQ] = ethernet_interrupt,
};
