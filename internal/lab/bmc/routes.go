package bmc

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/internal/lab/bmc/document"
)

// methods are the handlers of one resource by HTTP method. HEAD is answered as GET.
type methods map[string]http.HandlerFunc

// newRoutes lists every resource with its methods.
func (b *BMC) newRoutes() http.Handler {
	mux := http.NewServeMux()
	add := func(path string, m methods) { mux.HandleFunc(path, m.dispatch) }
	posts := map[string]http.HandlerFunc{document.Sessions: b.postSession, document.Accounts: b.postAccount,
		document.Volumes: b.postVolume}
	resources := b.listResources()
	b.addBIOS(resources)
	for path, resource := range resources {
		m := methods{"GET": func(w http.ResponseWriter, r *http.Request) { b.sendDocument(w, r, resource()) }}
		if post := posts[path]; post != nil {
			m["POST"] = post
			add(path+"/Members", methods{"POST": post}) // DSP0266: the same as the collection
		}
		add(path, m)
	}
	add(document.System, methods{"GET": b.getSystem, "PATCH": b.patchSystem})
	add(document.System+"/Actions/ComputerSystem.Reset", methods{"POST": b.postReset})
	for _, media := range []string{document.Manager, document.System} {
		slot := media + "/VirtualMedia/Cd"
		read := func(w http.ResponseWriter, r *http.Request) { b.sendDocument(w, r, b.slotDocument(slot)) }
		add(slot, methods{"GET": read, "PATCH": b.patchSlot})
		add(slot+"/Actions/VirtualMedia.InsertMedia", methods{"POST": b.postInsert})
		add(slot+"/Actions/VirtualMedia.EjectMedia", methods{"POST": b.postEject})
	}
	settings := func(w http.ResponseWriter, r *http.Request) { b.sendDocument(w, r, b.biosSettingsDocument()) }
	add(document.BIOSSettings, methods{"GET": settings, "PATCH": b.patchBIOSSettings})
	add(document.Manager+"/Jobs", methods{"POST": b.postJob})
	add(document.Sessions+"/{id}", methods{"GET": b.getSession, "DELETE": b.deleteSession})
	add(document.Accounts+"/{id}", methods{"GET": b.getAccount, "PATCH": b.patchAccount, "DELETE": b.deleteAccount})
	add(document.Volumes+"/{id}", methods{"GET": b.getVolume, "DELETE": b.deleteVolume})
	add(document.Tasks+"/{id}", methods{"GET": b.getTask})
	add(document.Monitors+"/{id}", methods{"GET": b.getMonitor})
	add(document.Metadata, methods{"GET": sendMetadata})
	add(document.OData, methods{"GET": func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, http.StatusOK, document.NewServiceDocument())
	}})
	add("/redfish", methods{"GET": func(w http.ResponseWriter, _ *http.Request) {
		sendJSON(w, http.StatusOK, document.Document{"v1": document.Root + "/"}) // DSP0266, 6.2: nothing beside
	}})
	mux.HandleFunc("/", sendMissing)
	return b.checkRequests(mux)
}

// dispatch answers with the handler of the method, or 405; GET and HEAD say which methods there are.
func (m methods) dispatch(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	handler := m[method]
	if handler == nil || method == http.MethodGet {
		allowed := slices.Sorted(maps.Keys(m))
		if m["GET"] != nil {
			allowed = append(allowed, "HEAD")
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
	}
	if handler == nil {
		sendJSON(w, http.StatusMethodNotAllowed,
			document.NewError("OperationNotAllowed", r.Method+" is not offered here", ""))
		return
	}
	handler(w, r)
}

func sendMissing(w http.ResponseWriter, r *http.Request) {
	sendJSON(w, http.StatusNotFound,
		document.NewError("ResourceMissingAtURI", "there is no resource at "+r.URL.Path, ""))
}

func sendMetadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/xml;charset=utf-8")
	_, _ = io.WriteString(w, document.NewMetadata())
}
