#ifndef ETHERNET_H
#define ETHERNET_H

#include "lwip/netif.h"

err_t ethernet_init(struct netif *netif);

#endif
