#include "modbus.h"

#include <stdbool.h>
#include <string.h>

#include "device.h"

/* Checks are in the order of the specification's state diagrams (section 6): function, quantities,
   addresses; only then is anything changed. Each handler writes the answer after the function code
   and returns its length, or minus the code of an exception. */

static uint16_t word(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static void put_word(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static int read_bits(const uint8_t *data, size_t size, uint8_t *out, bool coils)
{
    if (size != 4)
        return -ILLEGAL_VALUE;
    uint32_t start = word(data), count = word(data + 2);
    if (count < 1 || count > 2000)
        return -ILLEGAL_VALUE;
    if (start + count > BITS)
        return -ILLEGAL_ADDRESS;
    struct shown shown = device_shown();
    uint32_t bits = coils ? device_coils() : plant_flags(&shown);
    bits = bits >> start & ((1u << count) - 1);
    out[0] = (uint8_t)((count + 7) / 8);
    out[1] = (uint8_t)bits;
    if (count > 8)
        out[2] = (uint8_t)(bits >> 8);
    return 1 + out[0];
}

static int registers(uint32_t start, uint32_t count, bool holding, uint8_t *out)
{
    if (holding && start == SETPOINT_REGISTER && count == 1) {
        put_word(out + 1, device_requested());
    } else {
        if (start + count > BLOCK)
            return -ILLEGAL_ADDRESS;
        struct shown shown = device_shown();
        uint16_t block[BLOCK];
        plant_block(&shown, block);
        for (uint32_t number = 0; number < count; number++)
            put_word(out + 1 + 2 * number, block[start + number]);
    }
    out[0] = (uint8_t)(2 * count);
    return (int)(1 + 2 * count);
}

static int read_registers(const uint8_t *data, size_t size, uint8_t *out, bool holding)
{
    if (size != 4)
        return -ILLEGAL_VALUE;
    uint32_t start = word(data), count = word(data + 2);
    if (count < 1 || count > 125)
        return -ILLEGAL_VALUE;
    return registers(start, count, holding, out);
}

static int check_write(uint32_t start, uint32_t count, uint16_t first)
{
    if (start != SETPOINT_REGISTER || count != 1)
        return -ILLEGAL_ADDRESS;
    return first < SETPOINT_LOW || first > SETPOINT_HIGH ? -ILLEGAL_VALUE : 0;
}

static int echo(const uint8_t *data, size_t size, uint8_t *out)
{
    memcpy(out, data, size);
    return (int)size;
}

static int write_coil(const uint8_t *data, size_t size, uint8_t *out)
{
    if (size != 4)
        return -ILLEGAL_VALUE;
    uint16_t address = word(data), value = word(data + 2);
    if (value != 0 && value != 0xff00)
        return -ILLEGAL_VALUE;
    if (address >= BITS)
        return -ILLEGAL_ADDRESS;
    device_set_coils(address, 1, value ? 1 : 0);
    return echo(data, 4, out);
}

static int write_coils(const uint8_t *data, size_t size, uint8_t *out)
{
    if (size < 5)
        return -ILLEGAL_VALUE;
    uint32_t start = word(data), count = word(data + 2), bytes = data[4];
    if (count < 1 || count > 1968 || bytes != (count + 7) / 8 || size != 5 + bytes)
        return -ILLEGAL_VALUE;
    if (start + count > BITS)
        return -ILLEGAL_ADDRESS;
    uint16_t values = (uint16_t)(data[5] | (bytes > 1 ? data[6] << 8 : 0));
    device_set_coils((int)start, (int)count, values);
    return echo(data, 4, out);
}

static int write_register(const uint8_t *data, size_t size, uint8_t *out)
{
    if (size != 4)
        return -ILLEGAL_VALUE;
    int refused = check_write(word(data), 1, word(data + 2));
    if (refused)
        return refused;
    device_set_requested(word(data + 2));
    return echo(data, 4, out);
}

static int write_registers(const uint8_t *data, size_t size, uint8_t *out)
{
    if (size < 5)
        return -ILLEGAL_VALUE;
    uint32_t start = word(data), count = word(data + 2), bytes = data[4];
    if (count < 1 || count > 123 || bytes != 2 * count || size != 5 + bytes)
        return -ILLEGAL_VALUE;
    int refused = check_write(start, count, word(data + 5));
    if (refused)
        return refused;
    device_set_requested(word(data + 5));
    return echo(data, 4, out);
}

static int mask_write(const uint8_t *data, size_t size, uint8_t *out)
{
    if (size != 6)
        return -ILLEGAL_VALUE;
    uint16_t keep = word(data + 2), change = word(data + 4), present;
    uint32_t address = word(data);
    if (address != SETPOINT_REGISTER) /* what can be read elsewhere cannot be written */
        return -ILLEGAL_ADDRESS;
    present = device_requested();
    uint16_t value = (uint16_t)((present & keep) | (change & (uint16_t)~keep));
    int refused = check_write(address, 1, value);
    if (refused)
        return refused;
    device_set_requested(value);
    return echo(data, 6, out);
}

static int read_and_write(const uint8_t *data, size_t size, uint8_t *out)
{
    if (size < 9)
        return -ILLEGAL_VALUE;
    uint32_t start = word(data), count = word(data + 2);
    uint32_t into = word(data + 4), number = word(data + 6), bytes = data[8];
    if (count < 1 || count > 125 || number < 1 || number > 121 || bytes != 2 * number ||
        size != 9 + bytes)
        return -ILLEGAL_VALUE;
    int length = registers(start, count, true, out); /* refused before any change */
    if (length < 0)
        return length;
    int refused = check_write(into, number, word(data + 9));
    if (refused)
        return refused;
    device_set_requested(word(data + 9));
    return registers(start, count, true, out);
}

static int diagnostics(const uint8_t *data, size_t size, uint8_t *out)
{
    if (size >= 2 && word(data) != 0)
        return -ILLEGAL_FUNCTION;
    if (size < 4 || size % 2)
        return -ILLEGAL_VALUE;
    return echo(data, size, out);
}

static int identification(const uint8_t *data, size_t size, uint8_t *out)
{
    static const char *const objects[] = {"edge-lab", "boiler", FIRMWARE_VERSION};
    if (size && data[0] != 14)
        return -ILLEGAL_FUNCTION;
    if (size != 3)
        return -ILLEGAL_VALUE;
    uint8_t access = data[1], first = data[2], last = 2;
    if (access == 4) {
        if (first > 2)
            return -ILLEGAL_ADDRESS;
        last = first;
    } else if (access < 1 || access > 3) {
        return -ILLEGAL_VALUE;
    } else if (first > 2) {
        first = 0;
    }
    const uint8_t head[] = {14, access, 0x81, 0, 0, (uint8_t)(last - first + 1)};
    memcpy(out, head, sizeof head);
    int length = sizeof head;
    for (int number = first; number <= last; number++) {
        size_t text = strlen(objects[number]);
        out[length++] = (uint8_t)number;
        out[length++] = (uint8_t)text;
        memcpy(out + length, objects[number], text);
        length += (int)text;
    }
    return length;
}

static int carry_out(uint8_t function, const uint8_t *data, size_t size, uint8_t *out)
{
    switch (function) {
    case 1: return read_bits(data, size, out, true);
    case 2: return read_bits(data, size, out, false);
    case 3: return read_registers(data, size, out, true);
    case 4: return read_registers(data, size, out, false);
    case 5: return write_coil(data, size, out);
    case 6: return write_register(data, size, out);
    case 8: return diagnostics(data, size, out);
    case 15: return write_coils(data, size, out);
    case 16: return write_registers(data, size, out);
    case 22: return mask_write(data, size, out);
    case 23: return read_and_write(data, size, out);
    case 43: return identification(data, size, out);
    default: return -ILLEGAL_FUNCTION;
    }
}

size_t modbus_refuse(uint8_t function, uint8_t code, uint8_t *answer)
{
    answer[0] = function | 0x80;
    answer[1] = code;
    return 2;
}

size_t modbus_answer(const uint8_t *request, size_t size, uint8_t *answer)
{
    int length = carry_out(request[0], request + 1, size - 1, answer + 1);
    if (length < 0)
        return modbus_refuse(request[0], (uint8_t)-length, answer);
    answer[0] = request[0];
    return (size_t)(1 + length);
}
