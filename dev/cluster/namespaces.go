package main

import (
	"context"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/namespace/deletion"
)

const (
	// Upstream waits 5 s before it empties a namespace, and between its checks, so that other API servers
	// learn of the deletion. Here is only one, whose admission learns of it within some 10 ms.
	settleTime       = 400 * time.Millisecond
	namespaceWorkers = 10
)

// deleteNamespaces empties and finalises namespaces with upstream's code, instead of its namespace controller.
func deleteNamespaces(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 1000, 2000
	config.WarningHandler = rest.NoWarnings{} // deprecated kinds are emptied too
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	deleter := deletion.NewNamespacedResourcesDeleter(ctx, client.CoreV1().Namespaces(), objects, client.CoreV1(),
		client.Discovery().ServerPreferredNamespacedResources, core.FinalizerKubernetes)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](100*time.Millisecond, 2*time.Second))
	factory := informers.NewSharedInformerFactory(client, 0)
	_, err = factory.Core().V1().Namespaces().Informer().AddEventHandler(cache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(object any, _ bool) { enqueue(queue, object) },
		UpdateFunc: func(_, object any) { enqueue(queue, object) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	for range namespaceWorkers {
		go func() {
			for emptyNext(ctx, queue, deleter) {
			}
		}()
	}
	go func() {
		<-ctx.Done()
		queue.ShutDown()
	}()
	return nil
}

func enqueue(queue workqueue.TypedRateLimitingInterface[string], object any) {
	namespace, known := object.(*core.Namespace)
	if known && namespace.DeletionTimestamp != nil {
		queue.AddAfter(namespace.Name, settleTime)
	}
}

func emptyNext(ctx context.Context, queue workqueue.TypedRateLimitingInterface[string], deleter deletion.NamespacedResourcesDeleterInterface) bool {
	name, shutdown := queue.Get()
	if shutdown {
		return false
	}
	defer queue.Done(name)
	if err := deleter.Delete(ctx, name); err != nil {
		klog.V(2).InfoS("namespace is not empty yet", "namespace", name, "reason", err)
		queue.AddRateLimited(name)
		return true
	}
	queue.Forget(name)
	return true
}
