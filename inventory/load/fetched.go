package load

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
)

// checkImageHosts finds images, kernels, ISOs and plug-ins from a host that the fleet's settings do not allow.
func (l *loader) checkImageHosts() {
	allowed := l.fleet.Settings.ImageHosts
	if len(allowed) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(l.trunk.workloads())) {
		d := l.trunk.workloads()[name]
		if install := d.Workload.Spec.Install; install != nil {
			l.checkFetchedHost(d, "spec.install.image.url", install.Image.URL, allowed)
		}
		if run := d.Workload.Spec.Run; run != nil && run.Boot != nil {
			l.checkKernelHosts(d, *run.Boot, allowed)
		}
		if run := d.Workload.Spec.Run; run != nil && run.ISO != nil {
			l.checkFetchedHost(d, "spec.run.iso.url", run.ISO.URL, allowed)
		}
		for i, use := range d.Workload.Spec.Steps {
			l.checkFetchedHost(d, fmt.Sprintf("spec.steps[%d].args.image.url", i), writtenURL(use), allowed)
			l.checkInjectedHosts(d, i, use, allowed)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.trunk.hosts())) {
		d := l.trunk.hosts()[name]
		for i, use := range d.Host.Spec.Steps {
			l.checkInjectedHosts(d, i, use.Use(), allowed)
		}
	}
	l.checkPluginHosts(allowed)
}

// checkKernelHosts finds a kernel and initrds from a host that the fleet's settings do not allow.
func (l *loader) checkKernelHosts(d schemas.Document, b schemas.RunBoot, allowed []string) {
	l.checkFetchedHost(d, "spec.run.boot.kernel.url", b.Kernel.URL, allowed)
	for i, initrd := range b.Initrds {
		l.checkFetchedHost(d, fmt.Sprintf("spec.run.boot.initrds[%d].url", i), initrd.URL, allowed)
	}
}

// checkInjectedHosts finds files of inject-files from a host that the fleet's settings do not allow.
func (l *loader) checkInjectedHosts(d schemas.Document, at int, use schemas.StepUse, allowed []string) {
	for i, address := range use.InjectedURLs() {
		l.checkFetchedHost(d, fmt.Sprintf("spec.steps[%d].args.files[%d].url", at, i), address, allowed)
	}
}

// writtenURL is where the image of a step write-image is fetched from; "" for other steps.
func writtenURL(use schemas.StepUse) string {
	if use.Step != schemas.StepWriteImage {
		return ""
	}
	return use.Image().URL
}

// checkPluginHosts finds plug-ins from a host that the fleet's settings do not allow.
func (l *loader) checkPluginHosts(allowed []string) {
	for _, name := range slices.Sorted(maps.Keys(l.trunk.steps())) {
		d := l.trunk.steps()[name]
		for i, p := range d.Step.Spec.Plugins {
			l.checkFetchedHost(d, fmt.Sprintf("spec.plugins[%d].url", i), p.URL, allowed)
		}
	}
}

// checkFetchedHost finds a URL of a host that the fleet's settings do not allow.
func (l *loader) checkFetchedHost(d schemas.Document, field, address string, allowed []string) {
	if u, err := url.Parse(address); err == nil && u.Host != "" && !slices.Contains(allowed, strings.ToLower(u.Host)) {
		l.addFindings(d.ErrorAt(field, "add it to spec.imageHosts in "+schemas.FleetFile+", or take the file from one of: "+
			strings.Join(allowed, ", "), "files are not fetched from %s", u.Host))
	}
}
