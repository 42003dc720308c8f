#ifndef ARCH_CC_H
#define ARCH_CC_H

/* Of the C library's select; as many as lwIP has sockets. */
#define FD_SETSIZE 80

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

uint32_t random_number(void);
void firmware_failed(const char *file, int line);

#define LWIP_RAND() random_number()
#define LWIP_PLATFORM_DIAG(x) do { } while (0)
#define LWIP_PLATFORM_ASSERT(x) firmware_failed(__FILE__, __LINE__)

#endif
