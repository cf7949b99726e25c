// Package installs is the table of what coreos-installer is told and does: for each row what a Workload says, the exact
// arguments that come of it, and what the real coreos-installer makes of an image with them. List gives the rows. Package
// effects tests the arguments; installguest runs every row in the ramdisk.
package installs

import "strings"

// Row is an installation. The arguments in front are the same for all: install, --insecure, the image and the Ignition
// config; the device comes last.
type Row struct {
	Name string
	// Says is what spec.install of the Workload says besides the image: lines of YAML.
	Says      []string
	Arguments []string
	// Beyond is set where no Workload can say the arguments: coreos-installer is run with them all the same.
	Beyond bool
	// Image is the image: one of the Images.
	Image string
	// Kernel are the kernel arguments of the system afterwards, and Loader the console settings of its boot loader.
	Kernel, Loader string
	// Refused is a text in what coreos-installer says when it refuses the row; "" where it installs.
	Refused string
}

// Images.
const (
	Usual      = ""               // with the marks of CoreOS
	NoPlatform = "no platform"    // its kernel arguments name no platform
	NoMarkers  = "no markers"     // its boot loader's configuration has no place for consoles
	NoEntry    = "no entry"       // it has no entry of the boot loader
	NoBoot     = "no file system" // no file system is labelled boot
)

// What the usual image has.
const (
	UsualKernel = "root=LABEL=root rw quiet splash=silent ignition.platform.id=metal console=tty0 console=ttyS0,115200n8 $ignition_firstboot"
	UsualLoader = "serial --speed=115200\nterminal_input serial console\nterminal_output serial console\n"
	// Platforms is coreos/platforms.json of the image.
	Platforms = `{"metal": {"kernel_arguments": ["console=tty0", "console=ttyS0,115200n8"],
 "grub_commands": ["serial --speed=115200", "terminal_input serial console", "terminal_output serial console"]},
 "qemu": {"kernel_arguments": ["console=ttyS0,57600n8"], "grub_commands": ["terminal_input serial"]}}`
)

// without is the usual kernel arguments without some, and more behind them.
func without(words []string, more ...string) string {
	text := " " + UsualKernel + " "
	for _, word := range words {
		text = strings.ReplaceAll(text, " "+word+" ", " ")
	}
	return strings.TrimSpace(text + strings.Join(more, " "))
}

// appended is a row of one appended kernel argument.
func appended(name, argument string) Row {
	return Row{Name: name, Says: []string{"kernelArguments: ['" + argument + "']"}, Arguments: []string{"--append-karg=" + argument},
		Kernel: without(nil, argument), Loader: UsualLoader}
}

// deleted is a row of kernel arguments that are deleted.
func deleted(name string, arguments ...string) Row {
	r := Row{Name: name, Says: []string{"deleteKernelArguments: ['" + strings.Join(arguments, "', '") + "']"}, Kernel: without(arguments), Loader: UsualLoader}
	for _, argument := range arguments {
		r.Arguments = append(r.Arguments, "--delete-karg="+argument)
	}
	return r
}

// platform is a row of a platform; kernel are the kernel arguments without the platform.
func platform(name, id, kernel, loader string) Row {
	return Row{Name: name, Says: []string{"platform: " + id}, Arguments: []string{"--platform=" + id},
		Kernel: strings.Replace(kernel, "platform.id=metal", "platform.id="+id, 1), Loader: loader}
}

// consoles is a row of consoles, with the kernel arguments that come of them.
func consoles(name string, list, kernel []string, loader string) Row {
	r := Row{Name: name, Says: []string{"consoles: ['" + strings.Join(list, "', '") + "']"}, Kernel: without(metal, kernel...), Loader: loader}
	for _, console := range list {
		r.Arguments = append(r.Arguments, "--console="+console)
	}
	return r
}

// metal are the kernel arguments that the image has for metal alone.
var metal = []string{"console=tty0", "console=ttyS0,115200n8"}

// List lists the rows.
func List() []Row {
	const graphical = "terminal_input console\nterminal_output console\n"
	const serial = "terminal_input serial\nterminal_output serial\n"
	rows := []Row{
		{Name: "nothing", Kernel: UsualKernel, Loader: UsualLoader},
		appended("a flag", "nosmt"),
		appended("a value", "ip=10.0.0.2::10.0.0.1:255.255.255.0:host:ens3:none"),
		appended("two equal signs", "rd.luks.name=0a1b=root"),
		appended("an argument that looks like a flag", "--offline"),
		appended("an argument that looks like an option", "--delete-karg=quiet"),
		appended("one dash", "-v"),
		appended("a console as an argument", "console=ttyS1,115200n8"),
		appended("signs of a shell", "a=$b;c|d&e>f<g(h)"),
		appended("signs of a pattern", `a=*?[x]{y}!~\%#`),
		appended("what is there already", "quiet"),
		appended("as long as can be", "a="+strings.Repeat("x", 510)),
		{Name: "two, in their order", Says: []string{"kernelArguments: [b=2, a=1]"}, Arguments: []string{"--append-karg=b=2", "--append-karg=a=1"},
			Kernel: without(nil, "b=2", "a=1"), Loader: UsualLoader},
		{Name: "the same twice", Says: []string{"kernelArguments: [a=1, a=1]"}, Arguments: []string{"--append-karg=a=1", "--append-karg=a=1"},
			Kernel: without(nil, "a=1", "a=1"), Loader: UsualLoader},
		deleted("delete a flag", "quiet"),
		deleted("delete a value", "splash=silent"),
		deleted("delete two", "quiet", "console=tty0"),
		deleted("delete a part of a word", "splash"),
		deleted("delete what is not there", "nosmt"),
		deleted("delete what looks like a flag", "--offline"),
		{Name: "delete and append", Says: []string{"kernelArguments: [quiet]", "deleteKernelArguments: [quiet, rw]"},
			Arguments: []string{"--append-karg=quiet", "--delete-karg=quiet", "--delete-karg=rw"}, Kernel: without([]string{"quiet", "rw"}, "quiet"), Loader: UsualLoader},
		platform("the platform of the image", "metal", UsualKernel, UsualLoader),
		platform("a platform of the image's table", "qemu", without(metal, "console=ttyS0,57600n8"), "terminal_input serial\n"),
		platform("another platform", "vmware", without(metal), ""),
		consoles("a graphical console", []string{"tty0"}, []string{"console=tty0"}, graphical),
		consoles("a console of a hypervisor", []string{"hvc0"}, []string{"console=hvc0"}, graphical),
		consoles("a serial console", []string{"ttyS1"}, []string{"console=ttyS1,9600n8"}, "serial --unit=1 --speed=9600 --word=8 --parity=no\n"+serial),
		consoles("a serial console with its speed", []string{"ttyS0,57600"}, []string{"console=ttyS0,57600n8"}, "serial --unit=0 --speed=57600 --word=8 --parity=no\n"+serial),
		consoles("a serial console of ARM", []string{"ttyAMA0,38400e7"}, []string{"console=ttyAMA0,38400e7"}, "serial --unit=0 --speed=38400 --word=7 --parity=even\n"+serial),
		consoles("two consoles", []string{"tty0", "ttyS0,115200o8"}, []string{"console=tty0", "console=ttyS0,115200o8"},
			"serial --unit=0 --speed=115200 --word=8 --parity=odd\nterminal_input console serial\nterminal_output console serial\n"),
		{Name: "all of them", Says: []string{"kernelArguments: [a=1]", "deleteKernelArguments: [quiet]", "platform: qemu", "consoles: [hvc0]"},
			Arguments: []string{"--append-karg=a=1", "--delete-karg=quiet", "--platform=qemu", "--console=hvc0"},
			Kernel:    strings.Replace(without([]string{"console=tty0", "console=ttyS0,115200n8", "quiet"}, "console=hvc0", "a=1"), "id=metal", "id=qemu", 1), Loader: graphical},
	}
	return append(rows, listRefused()...)
}

// listRefused lists the rows that coreos-installer refuses.
func listRefused() []Row {
	return []Row{
		{Name: "a platform for an image that names none", Says: []string{"platform: qemu"}, Arguments: []string{"--platform=qemu"}, Image: NoPlatform,
			Refused: "couldn't locate platform ID"},
		{Name: "a console for an image without its place", Says: []string{"consoles: [tty0]"}, Arguments: []string{"--console=tty0"}, Image: NoMarkers,
			Refused: "missing substitution marker in grub.cfg"},
		{Name: "an argument for an image without an entry", Says: []string{"kernelArguments: [a=1]"}, Arguments: []string{"--append-karg=a=1"}, Image: NoEntry,
			Refused: "BLS entries"},
		{Name: "an image without its file system", Image: NoBoot, Refused: "boot"},
		{Name: "a console that no Workload can say", Arguments: []string{"--console=ttyUSB0"}, Beyond: true, Refused: "invalid or unsupported console argument"},
	}
}
