// Command cni-client does to a node's CNI configuration what container runtimes do: through libcni, as CRI-O does, and
// through go-cni, as containerd does.
//
//	cni-client DIRECTORY libcni status
//	cni-client DIRECTORY libcni gc [CONTAINER...]       those that live
//	cni-client DIRECTORY containerd status
//	cni-client DIRECTORY containerd add|del CONTAINER NETNS
//
// DIRECTORY holds the configuration, and is where libcni keeps what it remembers; plugins are those of /opt/cni/bin.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	gocni "github.com/containerd/go-cni"
	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

const plugins = "/opt/cni/bin"

var errUsage = errors.New("usage: cni-client DIRECTORY libcni|containerd VERB [ARGUMENTS]")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch args[1] {
	case "libcni":
		return libcniVerb(ctx, args[0], args[2], args[3:])
	case "containerd":
		return containerdVerb(ctx, args[0], args[2], args[3:])
	}
	return errUsage
}

func libcniVerb(ctx context.Context, directory, verb string, alive []string) error {
	files, err := filepath.Glob(filepath.Join(directory, "*.conflist"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no configuration in %s", directory)
	}
	network, err := libcni.ConfListFromFile(files[0])
	if err != nil {
		return err
	}
	// The version that is spoken: the highest of cniVersions that both sides know.
	fmt.Println("cniVersion", network.CNIVersion)
	client := libcni.NewCNIConfigWithCacheDir([]string{plugins}, filepath.Join(directory, "cache"), nil)
	switch verb {
	case "status":
		return client.GetStatusNetworkList(ctx, network)
	case "gc":
		args := libcni.GCArgs{}
		for _, id := range alive {
			args.ValidAttachments = append(args.ValidAttachments, types.GCAttachment{ContainerID: id, IfName: "eth0"})
		}
		return client.GCNetworkList(ctx, network, &args)
	}
	return errUsage
}

func containerdVerb(ctx context.Context, directory, verb string, args []string) error {
	client, err := gocni.New(
		gocni.WithMinNetworkCount(1),
		gocni.WithPluginConfDir(directory),
		gocni.WithPluginDir([]string{plugins}),
		gocni.WithInterfacePrefix("eth"),
	)
	if err != nil {
		return err
	}
	if err := client.Load(gocni.WithDefaultConf); err != nil {
		return err
	}
	if verb == "status" {
		return client.Status()
	}
	if len(args) != 2 {
		return errUsage
	}
	labels := gocni.WithLabels(map[string]string{"IgnoreUnknown": "1"})
	switch verb {
	case "add":
		result, err := client.Setup(ctx, args[0], args[1], labels)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result.Interfaces)
	case "del":
		return client.Remove(ctx, args[0], args[1], labels)
	}
	return errUsage
}
