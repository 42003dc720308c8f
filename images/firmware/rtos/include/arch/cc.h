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

/* The C library's errno is thread-local, for which nothing is set up here. One task uses sockets. */
extern int firmware_errno;
#define set_errno(error) (firmware_errno = (error))
/* Likewise: the library's sets errno. */
int number_in(const char *digits);
#define atoi(text) number_in(text)
#define LWIP_RAND() random_number()
#define LWIP_PLATFORM_DIAG(x) do { } while (0)
#define LWIP_PLATFORM_ASSERT(x) firmware_failed(__FILE__, __LINE__)

#endif
