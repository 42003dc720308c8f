// Package plugin gives /dev/kvm to the pods that ask for it: a device plugin of the kubelet
// (https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/).
package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// Socket is the name of the plugin's own socket, beside the kubelet's.
const Socket = "edge-kvm.sock"

// LookEvery is how often it is looked whether the kubelet is there, and still the one that knows of the
// plugin: one that starts anew removes all sockets of plugins, and has to be told again.
const LookEvery = 2 * time.Second

// Plugin hands out one device of the node, to so many pods at a time.
type Plugin struct {
	api.UnimplementedDevicePluginServer
	// Folder has the kubelet's socket.
	Folder   string
	Resource string
	Device   string
	Count    int
	// Works says whether the device does. Where it does not, the node has none to give.
	Works func() bool
	// Every is LookEvery, where nobody is in a hurry.
	Every time.Duration
	stop  chan struct{}
}

// Run serves until the context ends; whenever there is a kubelet that does not know of it, it is told.
func (plugin *Plugin) Run(ctx context.Context) error {
	ticks := time.NewTicker(plugin.Every)
	defer ticks.Stop()
	for {
		if exists(plugin.kubelet()) {
			if err := plugin.serve(ctx, ticks.C); err != nil {
				fmt.Fprintln(os.Stderr, "edge-kvm:", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

func (plugin *Plugin) kubelet() string { return filepath.Join(plugin.Folder, "kubelet.sock") }
func (plugin *Plugin) own() string     { return filepath.Join(plugin.Folder, Socket) }

// serve until the kubelet is another one, or the context ends.
func (plugin *Plugin) serve(ctx context.Context, ticks <-chan time.Time) error {
	if err := os.Remove(plugin.own()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", plugin.own())
	if err != nil {
		return err
	}
	ours, err := os.Stat(plugin.own())
	if err != nil {
		listener.Close()
		return err
	}
	theirs, err := os.Stat(plugin.kubelet())
	if err != nil {
		listener.Close()
		return err
	}
	plugin.stop = make(chan struct{})
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, plugin)
	go server.Serve(listener) //nolint:errcheck // it ends by Stop
	defer server.Stop()
	defer close(plugin.stop)
	if err := plugin.register(ctx); err != nil {
		return err
	}
	for same(plugin.own(), ours) && same(plugin.kubelet(), theirs) {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		}
	}
	return nil
}

func (plugin *Plugin) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	connection, err := grpc.NewClient(
		"unix://"+plugin.kubelet(), grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = api.NewRegistrationClient(connection).Register(ctx, &api.RegisterRequest{
		Version: api.Version, Endpoint: Socket, ResourceName: plugin.Resource,
	})
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func same(path string, known os.FileInfo) bool {
	found, err := os.Stat(path)
	return err == nil && os.SameFile(found, known) && found.ModTime().Equal(known.ModTime())
}

// -- what the kubelet asks -------------------------------------------------------------------------

// GetDevicePluginOptions wants nothing done before a container starts.
func (plugin *Plugin) GetDevicePluginOptions(
	context.Context, *api.Empty,
) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

// ListAndWatch lists the shares of the device once; it does not change.
func (plugin *Plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	health := api.Unhealthy
	if plugin.Works() {
		health = api.Healthy
	}
	devices := make([]*api.Device, plugin.Count)
	for index := range devices {
		devices[index] = &api.Device{ID: fmt.Sprintf("kvm%d", index), Health: health}
	}
	if err := stream.Send(&api.ListAndWatchResponse{Devices: devices}); err != nil {
		return err
	}
	select {
	case <-stream.Context().Done():
	case <-plugin.stop:
	}
	return nil
}

// Allocate says what a container gets: the device itself, whichever share it is.
func (plugin *Plugin) Allocate(
	_ context.Context, request *api.AllocateRequest,
) (*api.AllocateResponse, error) {
	response := &api.AllocateResponse{}
	for range request.ContainerRequests {
		device := &api.DeviceSpec{
			HostPath: plugin.Device, ContainerPath: plugin.Device, Permissions: "rw",
		}
		response.ContainerResponses = append(
			response.ContainerResponses,
			&api.ContainerAllocateResponse{Devices: []*api.DeviceSpec{device}},
		)
	}
	return response, nil
}
