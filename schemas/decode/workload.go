package decode

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gitmetal/ingot/schemas"
	"github.com/gitmetal/ingot/schemas/yamltext"
)

func (c *checker) checkWorkload(s schemas.WorkloadSpec) {
	c.checkOneOf("spec.update", s.Update, schemas.OnConsent, schemas.Reinstall)
	c.checkOneOf("spec.onFailure", s.OnFailure, schemas.FailedPowerOff, schemas.FailedKeep)
	if s.Run != nil {
		c.checkRun(s)
		return
	}
	c.checkNoClaims(s)
	c.checkSteps(s)
	c.checkPhoneHome(s)
	if s.Install == nil {
		if !slices.ContainsFunc(s.Steps, func(u schemas.StepUse) bool { return u.Step == schemas.StepWriteImage }) {
			c.addMissing("spec.install", "say which image is installed, write it with the step write-image, or write spec.run",
				"the workload says nothing to run")
		}
		return
	}
	c.checkImage("spec.install.image", s.Install.Image)
	c.checkPath("spec.install.butane", s.Install.Butane)
	c.checkIgnition(s.Install.Ignition)
	c.checkOneOf("spec.install.phoneHome", s.Install.PhoneHome, schemas.PhoneHomeRequired, schemas.PhoneHomeDisabled)
	c.checkOneOf("spec.install.otherDisks", s.Install.OtherDisks, schemas.OtherDisksDenied, schemas.OtherDisksAllowed)
	c.checkInstaller(*s.Install)
	for i, argument := range s.Install.KernelArguments {
		field := fmt.Sprintf("spec.install.kernelArguments[%d]", i)
		c.checkGrammar(field, argument, kargGrammar,
			"one argument of printable ASCII without spaces and quotes, at most 512 characters")
		if name, replaces := schemas.ReplacesConfig(argument); replaces {
			c.addError(field, "name a Butane config in spec.install.butane",
				"%s would throw away the config of this host, the call home included", name)
		}
	}
}

// checkInstaller checks what coreos-installer changes of an image besides the arguments that it appends.
func (c *checker) checkInstaller(install schemas.Install) {
	for i, argument := range install.DeleteKernelArguments {
		field := fmt.Sprintf("spec.install.deleteKernelArguments[%d]", i)
		c.checkGrammar(field, argument, kargGrammar, "one argument of printable ASCII without spaces and quotes, at most 512 characters")
		if strings.HasPrefix(argument, "ignition") || strings.HasPrefix(argument, "$") {
			c.addError(field, "leave it out", "without %s the system would not find its config", yamltext.ShortenText(argument))
		}
	}
	c.checkGrammar("spec.install.platform", install.Platform, platformGrammar, "Ignition's name of a platform, such as qemu")
	for i, console := range install.Consoles {
		c.checkGrammar(fmt.Sprintf("spec.install.consoles[%d]", i), console, consoleGrammar, "such as tty0, or ttyS0,115200n8")
	}
}

// checkPhoneHome checks spec.phoneHome, which is for systems without an Ignition config.
func (c *checker) checkPhoneHome(s schemas.WorkloadSpec) {
	const field = "spec.phoneHome"
	c.checkOneOf(field, s.PhoneHome, schemas.PhoneHomeRequired, schemas.PhoneHomeDisabled)
	switch {
	case s.Install != nil && s.PhoneHome != "":
		c.addError(field, "write it into spec.install", "a workload with install says it there")
	case s.Install == nil && len(s.Steps) > 0 && s.PhoneHome != schemas.PhoneHomeDisabled && !hasDrive(s.Steps):
		c.addMissing(field, "give write-image a configDrive, by which cloud-init has the system call, or write phoneHome: Disabled",
			"nothing tells the system that write-image writes where to call")
	}
}

// hasDrive reports whether write-image writes a config drive.
func hasDrive(list []schemas.StepUse) bool {
	return slices.ContainsFunc(list, func(u schemas.StepUse) bool {
		_, has := u.Args["configDrive"]
		return has && u.Step == schemas.StepWriteImage
	})
}

func (c *checker) checkImage(field string, i schemas.Image) {
	if c.checkRequired(field+".url", i.URL) {
		c.checkFetchedURL(field+".url", i.URL)
	}
	if c.checkRequired(field+".sha256", i.SHA256) {
		c.checkGrammar(field+".sha256", i.SHA256, sha256Grammar,
			"64 lower case hex digits: sha256sum of the file at the URL")
	}
}

// checkFetchedURL checks where the daemon fetches an image or a plug-in.
func (c *checker) checkFetchedURL(field, address string) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		c.addError(field, "https://…, or a path in the mirror", "not a URL")
	case u.Scheme == "" && u.Host == "":
		c.checkPath(field, address)
	case (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "":
		c.addError(field, "https://…, or a path in the mirror", "files are not read from %q",
			yamltext.ShortenText(u.Scheme))
	case u.User != nil:
		c.addError(field, "", "no user or password in the URL")
	}
}

// checkIgnition reports a specification of Ignition that is not known. A word that is near a version is another version,
// and no slip.
func (c *checker) checkIgnition(version string) {
	const field = "spec.install.ignition"
	newest := schemas.IgnitionVersions[len(schemas.IgnitionVersions)-1]
	if version == "" {
		c.checkOneOf(field, version, schemas.IgnitionVersions...)
	} else if !slices.Contains(schemas.IgnitionVersions, version) {
		c.addError(field, yamltext.ListChoices(schemas.IgnitionVersions)+"; this ingot writes none newer than "+newest,
			"%q is no specification of Ignition that this ingot knows", yamltext.ShortenText(version))
	}
}
