package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	simulatedAnnotation = "kwok.x-k8s.io/node"
	simulatedValue      = "fake"
	simulated           = "simulated"
	nodeCount           = 3
)

//go:embed stages.yaml
var stages []byte

type api struct{ client kubernetes.Interface }

func connect(kubeconfig string) (api, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return api{}, err
	}
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	return api{client}, err
}

func (a api) ready(ctx context.Context) error {
	return a.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// furnish creates what a cluster's administrator would: nodes, storage classes, an ingress class. Existing objects are kept.
func (a api) furnish(ctx context.Context) error {
	for i := range nodeCount {
		if err := a.node(ctx, fmt.Sprintf("%s-%d", simulated, i)); err != nil {
			return err
		}
	}
	immediate, remove := storage.VolumeBindingImmediate, core.PersistentVolumeReclaimDelete
	expand := true
	_, err := a.client.StorageV1().StorageClasses().Create(ctx, &storage.StorageClass{
		ObjectMeta:           meta.ObjectMeta{Name: simulated, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner:          "storeplane.dev/simulated",
		VolumeBindingMode:    &immediate,
		ReclaimPolicy:        &remove,
		AllowVolumeExpansion: &expand,
	}, meta.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	_, err = a.client.NetworkingV1().IngressClasses().Create(ctx, &networking.IngressClass{
		ObjectMeta: meta.ObjectMeta{Name: simulated, Annotations: map[string]string{networking.AnnotationIsDefaultIngressClass: "true"}},
		Spec:       networking.IngressClassSpec{Controller: "storeplane.dev/simulated"},
	}, meta.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

func (a api) node(ctx context.Context, name string) error {
	room := core.ResourceList{
		core.ResourceCPU:              resource.MustParse("10k"),
		core.ResourceMemory:           resource.MustParse("64Ti"),
		core.ResourceEphemeralStorage: resource.MustParse("1Pi"),
		core.ResourcePods:             resource.MustParse("100k"),
	}
	_, err := a.client.CoreV1().Nodes().Create(ctx, &core.Node{
		ObjectMeta: meta.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{simulatedAnnotation: simulatedValue},
			Labels: map[string]string{
				"type": "kwok", core.LabelHostname: name,
				core.LabelOSStable: "linux", core.LabelArchStable: "amd64",
			},
		},
		Status: core.NodeStatus{Allocatable: room, Capacity: room},
	}, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// usable checks that pods can be created and scheduled: the controllers and kwok are ready.
func (a api) usable(ctx context.Context) error {
	if _, err := a.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", meta.GetOptions{}); err != nil {
		return err
	}
	nodes, err := a.client.CoreV1().Nodes().List(ctx, meta.ListOptions{LabelSelector: "type=kwok"})
	if err != nil {
		return err
	}
	if len(nodes.Items) < nodeCount {
		return errors.New("nodes are missing")
	}
	for _, node := range nodes.Items {
		for _, taint := range node.Spec.Taints {
			return fmt.Errorf("node %s still has taint %s", node.Name, taint.Key)
		}
		if !isReady(node) {
			return fmt.Errorf("node %s is not ready", node.Name)
		}
	}
	return nil
}

func isReady(node core.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == core.NodeReady {
			return condition.Status == core.ConditionTrue
		}
	}
	return false
}
