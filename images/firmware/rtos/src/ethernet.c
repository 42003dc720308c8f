/* The board's Ethernet controller, an SMSC LAN9118, as a network interface of lwIP. */
#include "ethernet.h"

#include "FreeRTOS.h"
#include "board.h"
#include "lwip/etharp.h"
#include "lwip/tcpip.h"
#include "semphr.h"
#include "task.h"

#define NIC(offset) REGISTER(ETHERNET_BASE + (offset))
#define RX_DATA NIC(0x00)
#define TX_DATA NIC(0x20)
#define RX_STATUS NIC(0x40)
#define TX_STATUS NIC(0x48)
#define IRQ_CFG NIC(0x54)
#define INT_STS NIC(0x58)
#define INT_EN NIC(0x5c)
#define FIFO_INT NIC(0x68)
#define RX_CFG NIC(0x6c)
#define TX_CFG NIC(0x70)
#define HW_CFG NIC(0x74)
#define RX_FIFO_INF NIC(0x7c)
#define TX_FIFO_INF NIC(0x80)
#define MAC_COMMAND NIC(0xa4)
#define MAC_DATA NIC(0xa8)
#define AFC_CFG NIC(0xac)

#define RX_LEVEL_INTERRUPT (1u << 3)
#define MAC_BUSY (1u << 31)
#define MAC_READ (1u << 30)
enum { MAC_CR = 1, MAC_ADDRESS_HIGH = 2, MAC_ADDRESS_LOW = 3 };
#define MAC_RX_ENABLE (1u << 2)
#define MAC_TX_ENABLE (1u << 3)
#define ERROR_SUMMARY (1u << 15)
#define CRC_BYTES 4

static SemaphoreHandle_t received, sending;

static uint32_t mac_read(uint32_t index)
{
    MAC_COMMAND = MAC_BUSY | MAC_READ | index;
    while (MAC_COMMAND & MAC_BUSY) {
    }
    return MAC_DATA;
}

static void mac_write(uint32_t index, uint32_t value)
{
    MAC_DATA = value;
    MAC_COMMAND = MAC_BUSY | index;
    while (MAC_COMMAND & MAC_BUSY) {
    }
}

void ethernet_interrupt(void)
{
    BaseType_t woken = pdFALSE;
    INT_EN = 0; /* until the task has emptied the FIFO */
    INT_STS = 0xffffffff;
    xSemaphoreGiveFromISR(received, &woken);
    portYIELD_FROM_ISR(woken);
}

static err_t send(struct netif *netif, struct pbuf *frame)
{
    static uint8_t bytes[1536] __attribute__((aligned(4)));
    (void)netif;
    uint32_t length = frame->tot_len;
    if (length > sizeof bytes)
        return ERR_BUF;
    xSemaphoreTake(sending, portMAX_DELAY);
    pbuf_copy_partial(frame, bytes, (uint16_t)length, 0);
    while ((TX_FIFO_INF & 0xffff) < length + 16)
        vTaskDelay(1);
    TX_DATA = (1u << 13) | (1u << 12) | length; /* first and last part */
    TX_DATA = length;
    const uint32_t *words = (const uint32_t *)bytes;
    for (uint32_t word = 0; word < (length + 3) / 4; word++)
        TX_DATA = words[word];
    while ((TX_FIFO_INF >> 16) & 0xff)
        (void)TX_STATUS;
    xSemaphoreGive(sending);
    return ERR_OK;
}

static struct pbuf *take(uint32_t status)
{
    uint32_t length = (status >> 16) & 0x3fff;
    uint32_t words = (length + 3) / 4;
    struct pbuf *frame = NULL;
    if (!(status & ERROR_SUMMARY) && length > CRC_BYTES)
        frame = pbuf_alloc(PBUF_RAW, (uint16_t)(words * 4), PBUF_POOL);
    struct pbuf *part = frame;
    uint32_t at = 0;
    for (uint32_t word = 0; word < words; word++) {
        uint32_t value = RX_DATA;
        if (!frame)
            continue;
        /* PBUF_POOL_BUFSIZE holds a whole frame, so that there is one part. */
        ((uint32_t *)part->payload)[at++] = value;
    }
    if (frame)
        pbuf_realloc(frame, (uint16_t)(length - CRC_BYTES));
    return frame;
}

static void receive(void *argument)
{
    struct netif *netif = argument;
    for (;;) {
        xSemaphoreTake(received, pdMS_TO_TICKS(1000));
        while ((RX_FIFO_INF >> 16) & 0xff) {
            struct pbuf *frame = take(RX_STATUS);
            if (frame && netif->input(frame, netif) != ERR_OK)
                pbuf_free(frame);
        }
        INT_STS = 0xffffffff;
        INT_EN = RX_LEVEL_INTERRUPT;
    }
}

err_t ethernet_init(struct netif *netif)
{
    received = xSemaphoreCreateBinary();
    sending = xSemaphoreCreateMutex();
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->output = etharp_output;
    netif->linkoutput = send;
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_LINK_UP;
    uint32_t low = mac_read(MAC_ADDRESS_LOW), high = mac_read(MAC_ADDRESS_HIGH);
    for (int octet = 0; octet < 4; octet++)
        netif->hwaddr[octet] = (uint8_t)(low >> (8 * octet));
    netif->hwaddr[4] = (uint8_t)high;
    netif->hwaddr[5] = (uint8_t)(high >> 8);
    AFC_CFG = 0x006e3740;
    TX_CFG = 1u << 1; /* transmitter on */
    FIFO_INT = 0;
    IRQ_CFG = 0x111; /* enabled, active high, push-pull */
    mac_write(MAC_CR, MAC_RX_ENABLE | MAC_TX_ENABLE);
    INT_STS = 0xffffffff;
    INT_EN = RX_LEVEL_INTERRUPT;
    enable_interrupt(ETHERNET_IRQ);
    xTaskCreate(receive, "ethernet", 512, netif, 4, NULL);
    return ERR_OK;
}
