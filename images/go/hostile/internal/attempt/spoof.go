package attempt

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	ethernetOfARP = 0x0806
	ethernetOfIP  = 0x0800
	arpRequest    = 1
	arpReply      = 2
	udpProtocol   = 17
	spoofedPort   = 9 // of the sender, and of nobody who answers
)

var (
	everyone = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	noMAC    = make(net.HardwareAddr, 6)

	spoofLength = 15 * time.Second
	spoofEvery  = 500 * time.Millisecond
)

// Spoof are attempts to be taken for another pod of the node. What is sent is reported as reached:
// whether the node took it is seen on the node.
type Spoof struct {
	Neighbour string // whose address is claimed
	Gateway   string // the node's address on the pod network
	Node      string // HOST:PORT, where datagrams go
	Mark      string // 8 digits, hexadecimal, at the beginning of each datagram
}

// Attempts in their order.
func (spoof Spoof) Attempts() []Attempt {
	return []Attempt{{Name: "arp-spoof", Do: spoof.arp}, {Name: "ip-spoof", Do: spoof.ip}}
}

// arp announces the neighbour's address with this pod's MAC address. It also says this pod's own, so
// that the node knows whose MAC address it is.
func (spoof Spoof) arp() (string, error) {
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "a packet socket", err
	}
	defer func() { _ = syscall.Close(socket) }()
	victim, gateway, err := addresses(spoof.Neighbour, spoof.Gateway)
	if err != nil {
		return "", err
	}
	nic, own, err := firstInterface()
	if err != nil {
		return "an interface", err
	}
	frames := [][]byte{
		arpFrame(nic.HardwareAddr, arpRequest, own, noMAC, gateway),
		// A request for the node's own address makes an entry, or replaces it, whatever it was.
		arpFrame(nic.HardwareAddr, arpRequest, victim, noMAC, gateway),
		arpFrame(nic.HardwareAddr, arpReply, victim, everyone, victim),
	}
	to := syscall.SockaddrLinklayer{Ifindex: nic.Index, Halen: 6, Protocol: swapped(ethernetOfARP)}
	copy(to.Addr[:], everyone)
	rounds := 0
	for until := time.Now().Add(spoofLength); time.Now().Before(until); rounds++ {
		for _, frame := range frames {
			if err := syscall.Sendto(socket, frame, 0, &to); err != nil {
				return "send", err
			}
		}
		time.Sleep(spoofEvery)
	}
	return fmt.Sprintf("%s at %s, %d times", victim, nic.HardwareAddr, rounds), nil
}

// ip sends datagrams with the neighbour's address as their source.
func (spoof Spoof) ip() (string, error) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.IPPROTO_RAW)
	if err != nil {
		return "a raw socket", err
	}
	defer func() { _ = syscall.Close(socket) }()
	// IPPROTO_RAW has it on Linux; set all the same, for other kernels.
	if err := syscall.SetsockoptInt(socket, syscall.IPPROTO_IP, syscall.IP_HDRINCL, 1); err != nil {
		return "IP_HDRINCL", err
	}
	node, err := netip.ParseAddrPort(spoof.Node)
	if err != nil {
		return "", err
	}
	victim, _, err := addresses(spoof.Neighbour, spoof.Neighbour)
	if err != nil {
		return "", err
	}
	mark, err := parseMark(spoof.Mark)
	if err != nil {
		return "", err
	}
	packet := datagram(victim, node, mark)
	for range 5 {
		if err := syscall.Sendto(socket, packet, 0, &syscall.SockaddrInet4{Addr: node.Addr().As4()}); err != nil {
			return "send", err
		}
		time.Sleep(spoofEvery / 5)
	}
	return fmt.Sprintf("5 datagrams from %s to %s", victim, node), nil
}

func addresses(first, second string) (one, other netip.Addr, err error) {
	if one, err = netip.ParseAddr(first); err == nil {
		other, err = netip.ParseAddr(second)
	}
	if err == nil && !(one.Is4() && other.Is4()) {
		err = fmt.Errorf("%s, %s: not IPv4", first, second)
	}
	return one, other, err
}

func parseMark(text string) (mark uint32, err error) {
	if len(text) != 8 {
		return 0, fmt.Errorf("%q is not 8 digits", text)
	}
	_, err = fmt.Sscanf(text, "%08x", &mark)
	return mark, err
}

// firstInterface is the pod's own beside loopback, with its address.
func firstInterface() (nic net.Interface, own netip.Addr, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return nic, own, err
	}
	for _, nic := range all {
		if nic.Flags&net.FlagLoopback != 0 || len(nic.HardwareAddr) != 6 {
			continue
		}
		given, err := nic.Addrs()
		if err != nil {
			return nic, own, err
		}
		for _, one := range given {
			prefix, err := netip.ParsePrefix(one.String())
			if err == nil && prefix.Addr().Is4() {
				return nic, prefix.Addr(), nil
			}
		}
	}
	return nic, own, fmt.Errorf("%w: none with an address", errNothingTried)
}

func swapped(number uint16) uint16 { return number<<8 | number>>8 }

// arpFrame is an Ethernet frame to everyone (RFC 826).
func arpFrame(from net.HardwareAddr, operation uint16, claimed netip.Addr, to net.HardwareAddr, asked netip.Addr) []byte {
	frame := append(append([]byte{}, everyone...), from...)
	frame = binary.BigEndian.AppendUint16(frame, ethernetOfARP)
	frame = binary.BigEndian.AppendUint16(frame, 1) // Ethernet
	frame = binary.BigEndian.AppendUint16(frame, ethernetOfIP)
	frame = append(frame, 6, 4)
	frame = binary.BigEndian.AppendUint16(frame, operation)
	frame = append(append(frame, from...), claimed.AsSlice()...)
	return append(append(frame, to...), asked.AsSlice()...)
}

// datagram is an IPv4 packet of UDP with that source and the mark as its content; its UDP has no checksum.
func datagram(source netip.Addr, to netip.AddrPort, mark uint32) []byte {
	const length = 20 + 8 + 4
	packet := []byte{0x45, 0}
	packet = binary.BigEndian.AppendUint16(packet, length)
	packet = append(packet, 0, 0, 0, 0, 64, udpProtocol, 0, 0)
	packet = append(append(packet, source.AsSlice()...), to.Addr().AsSlice()...)
	binary.BigEndian.PutUint16(packet[10:], checksum(packet))
	packet = binary.BigEndian.AppendUint16(packet, spoofedPort)
	packet = binary.BigEndian.AppendUint16(packet, to.Port())
	packet = binary.BigEndian.AppendUint16(packet, 8+4)
	packet = append(packet, 0, 0)
	return binary.BigEndian.AppendUint32(packet, mark)
}

// checksum of RFC 1071, of an even number of bytes.
func checksum(text []byte) uint16 {
	var sum uint32
	for at := 0; at < len(text); at += 2 {
		sum += uint32(binary.BigEndian.Uint16(text[at:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
