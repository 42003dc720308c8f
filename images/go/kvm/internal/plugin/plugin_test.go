package plugin

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// kubelet notes who registers with it.
type kubelet struct {
	api.UnimplementedRegistrationServer
	told   chan *api.RegisterRequest
	server *grpc.Server
}

func (one *kubelet) Register(_ context.Context, request *api.RegisterRequest) (*api.Empty, error) {
	one.told <- request
	return &api.Empty{}, nil
}

// startKubelet does as a kubelet that starts: it removes the sockets of all plugins.
func startKubelet(t *testing.T, folder string) *kubelet {
	t.Helper()
	_ = os.Remove(filepath.Join(folder, Socket))
	_ = os.Remove(filepath.Join(folder, "kubelet.sock"))
	listener, err := net.Listen("unix", filepath.Join(folder, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	one := &kubelet{told: make(chan *api.RegisterRequest, 1), server: grpc.NewServer()}
	api.RegisterRegistrationServer(one.server, one)
	go one.server.Serve(listener) //nolint:errcheck
	t.Cleanup(one.server.Stop)
	return one
}

func (one *kubelet) hears(t *testing.T) *api.RegisterRequest {
	t.Helper()
	select {
	case request := <-one.told:
		return request
	case <-time.After(20 * time.Second):
		t.Fatal("nobody has registered")
		return nil
	}
}

func running(t *testing.T, works bool) (*Plugin, string) {
	t.Helper()
	// A socket's path has a limit, which that of t.TempDir may be beyond.
	folder, err := os.MkdirTemp("", "kvm")
	if err != nil {
		t.Fatal(err)
	}
	plugin := &Plugin{
		Folder: folder, Resource: "example.org/kvm", Device: "/dev/kvm", Count: 3,
		Works: func() bool { return works }, Every: 10 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- plugin.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		os.RemoveAll(folder)
	})
	return plugin, folder
}

func client(t *testing.T, folder string) api.DevicePluginClient {
	t.Helper()
	connection, err := grpc.NewClient(
		"unix://"+filepath.Join(folder, Socket), grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return api.NewDevicePluginClient(connection)
}

func listed(t *testing.T, folder string) []*api.Device {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	stream, err := client(t, folder).ListAndWatch(ctx, &api.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return answer.Devices
}

func TestAKubeletThatComesLateAndOneThatStartsAnewAreTold(t *testing.T) {
	_, folder := running(t, true)
	first := startKubelet(t, folder)
	request := first.hears(t)
	if request.ResourceName != "example.org/kvm" || request.Endpoint != Socket ||
		request.Version != api.Version {
		t.Fatalf("%+v", request)
	}
	first.server.Stop()
	startKubelet(t, folder).hears(t)
	if devices := listed(t, folder); len(devices) != 3 || devices[0].Health != api.Healthy {
		t.Fatalf("%+v", devices)
	}
}

func TestWithoutKvmNoShareIsHealthy(t *testing.T) {
	_, folder := running(t, false)
	startKubelet(t, folder).hears(t)
	for _, device := range listed(t, folder) {
		if device.Health != api.Unhealthy {
			t.Fatalf("%+v", device)
		}
	}
}

func TestAContainerGetsTheDeviceAndNothingElse(t *testing.T) {
	_, folder := running(t, true)
	startKubelet(t, folder).hears(t)
	request := &api.AllocateRequest{
		ContainerRequests: []*api.ContainerAllocateRequest{{DevicesIds: []string{"kvm1"}}},
	}
	answer, err := client(t, folder).Allocate(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.ContainerResponses) != 1 {
		t.Fatalf("%+v", answer)
	}
	one := answer.ContainerResponses[0]
	if len(one.Devices) != 1 || one.Devices[0].HostPath != "/dev/kvm" || one.Devices[0].Permissions != "rw" ||
		len(one.Mounts) != 0 || len(one.Envs) != 0 {
		t.Fatalf("%+v", one)
	}
}
