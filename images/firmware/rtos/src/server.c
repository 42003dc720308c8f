/* The connections of the Modbus TCP server (Messaging on TCP/IP V1.0b), in one task. */
#include <errno.h>
#include <string.h>

#include "FreeRTOS.h"
#include "board.h"
#include "device.h"
#include "lwip/ip4_addr.h"
#include "lwip/sockets.h"
#include "modbus.h"
#include "task.h"

#define PORT 502
#define UNIT 1
#define HEADER 7
#define PLACES 66
#define PATIENCE_MS 2000 /* after the last byte of a request that does not end */
#define ROUND_MS 50

volatile uint32_t server_rounds, server_limit, server_own_limit = PLACES;
volatile bool server_listens = true, server_hangs;

struct connection {
    int socket; /* -1 if free */
    bool own; /* of the device by itself: from a link-local address */
    uint32_t last; /* tick of the last byte */
    size_t in, out;
    uint8_t request[HEADER + MODBUS_LONGEST];
    uint8_t answer[HEADER + MODBUS_LONGEST];
};
static struct connection connections[PLACES];
static int listener = -1;
static uint32_t refused;

static unsigned count(bool all)
{
    unsigned found = 0;
    for (int place = 0; place < PLACES; place++)
        found += connections[place].socket >= 0 && (all || !connections[place].own);
    return found;
}

static void tell(void) { say("C %u %u", count(false), (unsigned)refused); }

static void end(struct connection *this)
{
    lwip_close(this->socket);
    this->socket = -1;
    if (!this->own)
        tell();
}

static void open_listener(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = lwip_htons(PORT)};
    int yes = 1;
    here.sin_len = sizeof here;
    listener = lwip_socket(AF_INET, SOCK_STREAM, 0);
    configASSERT(listener >= 0);
    lwip_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    configASSERT(!lwip_bind(listener, (struct sockaddr *)&here, sizeof here));
    configASSERT(!lwip_listen(listener, 16));
}

static void close_all(void)
{
    lwip_close(listener);
    listener = -1;
    for (int place = 0; place < PLACES; place++)
        if (connections[place].socket >= 0)
            end(&connections[place]);
}

static void admit(void)
{
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    int yes = 1, idle = 60, socket = lwip_accept(listener, (struct sockaddr *)&peer, &size);
    if (socket < 0)
        return;
    ip4_addr_t from = {peer.sin_addr.s_addr};
    bool own = ip4_addr_islinklocal(&from);
    struct connection *unused = NULL;
    for (int place = 0; place < PLACES && !unused; place++)
        if (connections[place].socket < 0)
            unused = &connections[place];
    if (!unused || count(own) >= (own ? server_own_limit : server_limit)) {
        refused++;
        tell();
        lwip_close(socket);
        return;
    }
    lwip_setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    lwip_setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    lwip_setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    *unused = (struct connection){.socket = socket, .own = own, .last = xTaskGetTickCount()};
    if (!own)
        tell();
}

/* The length of the first request in what has come; 0 if it is not whole, -1 if it is none. */
static int whole(const struct connection *this)
{
    const uint8_t *bytes = this->request;
    if (this->in >= 4 && (bytes[2] || bytes[3]))
        return -1;
    if (this->in < 6)
        return 0;
    int length = bytes[4] << 8 | bytes[5];
    if (length < 2 || length > MODBUS_LONGEST + 1)
        return -1;
    return this->in >= (size_t)(6 + length) ? 6 + length : 0;
}

static void respond(struct connection *this, int size)
{
    const uint8_t *request = this->request;
    uint8_t unit = request[6];
    size_t length;
    if (unit == UNIT || unit == 0 || unit == 255)
        length = modbus_answer(request + HEADER, (size_t)size - HEADER, this->answer + HEADER);
    else
        length = modbus_refuse(request[HEADER], NO_TARGET, this->answer + HEADER);
    memcpy(this->answer, request, HEADER);
    this->answer[4] = (uint8_t)((length + 1) >> 8);
    this->answer[5] = (uint8_t)(length + 1);
    this->out = HEADER + length;
    this->in -= (size_t)size;
    memmove(this->request, request + size, this->in);
}

/* False if the connection is over. */
static bool send_out(struct connection *this)
{
    int sent = lwip_send(this->socket, this->answer, this->out, MSG_DONTWAIT);
    if (sent < 0)
        return firmware_errno == EWOULDBLOCK || firmware_errno == EAGAIN;
    this->out -= (size_t)sent;
    memmove(this->answer, this->answer + sent, this->out);
    return true;
}

/* Answers whole requests one by one, as long as the answers can be sent. */
static bool work(struct connection *this)
{
    while (!this->out) {
        int size = whole(this);
        if (size < 0)
            return false;
        if (!size)
            return true;
        respond(this, size);
        if (!send_out(this))
            return false;
    }
    return true;
}

static bool receive(struct connection *this)
{
    int size = lwip_recv(this->socket, this->request + this->in, sizeof this->request - this->in,
                         MSG_DONTWAIT);
    if (size == 0)
        return false;
    if (size < 0)
        return firmware_errno == EWOULDBLOCK || firmware_errno == EAGAIN;
    this->in += (size_t)size;
    this->last = xTaskGetTickCount();
    return work(this);
}

static bool serve(struct connection *this, fd_set *readable, fd_set *writable)
{
    if (FD_ISSET(this->socket, writable) && this->out && !(send_out(this) && work(this)))
        return false;
    if (FD_ISSET(this->socket, readable) && !receive(this))
        return false;
    bool waits = this->in && !this->out;
    return !waits || xTaskGetTickCount() - this->last < pdMS_TO_TICKS(PATIENCE_MS);
}

static void go_round(void)
{
    fd_set readable, writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(listener, &readable);
    int highest = listener;
    for (int place = 0; place < PLACES; place++) {
        struct connection *this = &connections[place];
        if (this->socket < 0)
            continue;
        FD_SET(this->socket, this->out ? &writable : &readable);
        if (this->socket > highest)
            highest = this->socket;
    }
    struct timeval patience = {.tv_usec = ROUND_MS * 1000};
    if (lwip_select(highest + 1, &readable, &writable, NULL, &patience) <= 0) {
        FD_ZERO(&readable);
        FD_ZERO(&writable);
    }
    if (server_hangs) {
        say("H");
        vTaskSuspend(NULL); /* as on a lock that nobody gives back */
    }
    for (int place = 0; place < PLACES; place++) {
        struct connection *this = &connections[place];
        if (this->socket >= 0 && !serve(this, &readable, &writable))
            end(this);
    }
    if (FD_ISSET(listener, &readable))
        admit();
}

void server_run(void *argument)
{
    (void)argument;
    for (int place = 0; place < PLACES; place++)
        connections[place].socket = -1;
    open_listener();
    say("R");
    for (;;) {
        server_rounds++;
        if (server_listens && listener < 0)
            open_listener();
        else if (!server_listens && listener >= 0)
            close_all();
        if (listener >= 0)
            go_round();
        else
            vTaskDelay(pdMS_TO_TICKS(ROUND_MS));
    }
}
