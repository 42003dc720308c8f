/* Modbus' application protocol (V1.1b3): a request is done whole, or refused with an exception. */
#ifndef MODBUS_H
#define MODBUS_H

#include <stddef.h>
#include <stdint.h>

#define MODBUS_LONGEST 253 /* bytes of a request or an answer, without its header */

/* Answers `size` bytes (one or more) of a request; returns the length of the answer. */
size_t modbus_answer(const uint8_t *request, size_t size, uint8_t *answer);
/* The answer that refuses a request of this function. */
size_t modbus_refuse(uint8_t function, uint8_t code, uint8_t *answer);

enum { ILLEGAL_FUNCTION = 1, ILLEGAL_ADDRESS = 2, ILLEGAL_VALUE = 3, NO_TARGET = 11 };

#endif
