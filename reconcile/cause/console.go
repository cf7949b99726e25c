package cause

import "strings"

// Sign is a known text on a serial console.
type Sign string

// Signs.
const (
	SignAccessDenied      Sign = "AccessDenied"
	SignSBAT              Sign = "SBAT"
	SignSecurityViolation Sign = "SecurityViolation"
	SignNothingBootable   Sign = "NothingBootable"
	SignMemory            Sign = "Memory"
	SignPanic             Sign = "Panic"
	SignIgnition          Sign = "Ignition"
	SignSeveralBoot       Sign = "SeveralBoot"
	SignEmergency         Sign = "Emergency"
	SignLogin             Sign = "Login"
)

// Text is a known text: a line that has all Parts, in any case of letters, is the Sign.
type Text struct {
	Sign  Sign
	Parts []string
	From  string // which program writes it
}

// Texts are the known texts. For one line the first text counts.
//
// Sources: edk2 MdeModulePkg/Library/UefiBootManagerLib/BmBoot.c (BdsDxe); shim shim.c and sbat.c; GRUB
// grub-core/kern/efi/sb.c; Linux init/initramfs.c, kernel/panic.c, mm/oom_kill.c; Ignition's dracut module
// (ignition-virtio-dump-journal.sh, ignition-complete.target); fedora-coreos-config coreos-unique-boot; dracut
// dracut-emergency.sh; systemd emergency.service; agetty.
var Texts = []Text{
	{SignSBAT, []string{"SBAT self-check failed"}, "shim"},
	{SignSBAT, []string{"SBAT data failed"}, "shim"},
	{SignAccessDenied, []string{"BdsDxe", "Access Denied"}, "UEFI firmware (edk2)"},
	{SignAccessDenied, []string{"BdsDxe", "Security Violation"}, "UEFI firmware (edk2)"},
	{SignAccessDenied, []string{"Secure Boot", "image failed to verify"}, "UEFI firmware"},
	{SignAccessDenied, []string{"Invalid signature detected", "Secure Boot"}, "UEFI firmware"},
	{SignSecurityViolation, []string{"Security Violation"}, "shim"},
	{SignSecurityViolation, []string{"bad shim signature"}, "GRUB"},
	{SignSecurityViolation, []string{"has invalid signature"}, "GRUB"},
	{SignNothingBootable, []string{"No bootable"}, "UEFI firmware"},
	{SignNothingBootable, []string{"Boot device not found"}, "UEFI firmware"},
	{SignNothingBootable, []string{"Press any key to enter the Boot Manager"}, "UEFI firmware (edk2)"},
	{SignMemory, []string{"Initramfs unpacking failed"}, "Linux"},
	{SignMemory, []string{"System is deadlocked on memory"}, "Linux"},
	{SignMemory, []string{"error: out of memory"}, "GRUB"},
	{SignPanic, []string{"Kernel panic - not syncing"}, "Linux"},
	{SignSeveralBoot, []string{"devices with a filesystem labeled"}, "Fedora CoreOS"},
	{SignIgnition, []string{"Ignition has failed"}, "Ignition"},
	{SignIgnition, []string{"ignition[", "CRITICAL"}, "Ignition"},
	{SignIgnition, []string{"Failed to start ignition-"}, "systemd"},
	{SignEmergency, []string{"Press Enter for emergency shell"}, "Ignition"},
	{SignEmergency, []string{"emergency mode"}, "systemd"},
	{SignEmergency, []string{"dracut: FATAL"}, "dracut"},
	{SignEmergency, []string{"rdsosreport.txt"}, "dracut"},
	{SignLogin, []string{" login:"}, "agetty"},
}

// keepsBefore are signs that follow from an earlier sign of a worse thing: the earlier sign counts.
var keepsBefore = map[Sign][]Sign{
	SignNothingBootable: {SignAccessDenied, SignSBAT, SignSecurityViolation},
	SignEmergency:       {SignIgnition, SignSeveralBoot, SignPanic},
	SignIgnition:        {SignSeveralBoot, SignIgnition},
	SignPanic:           {SignMemory},
}

// Recognize finds the sign that counts among the lines of a console, oldest first, and its line. The last sign counts,
// unless it follows from the sign before. The sign is "" without a known text; at is the index of the line.
func Recognize(lines []string) (sign Sign, line string, at int) {
	for i, text := range lines {
		found := recognizeLine(text)
		if found == "" || follows(found, sign) {
			continue
		}
		sign, line, at = found, strings.TrimSpace(text), i
	}
	return sign, line, at
}

func follows(found, before Sign) bool {
	for _, worse := range keepsBefore[found] {
		if before == worse {
			return true
		}
	}
	return false
}

// recognizeLine gives the sign of one line, or "".
func recognizeLine(line string) Sign {
	lower := strings.ToLower(line)
	for _, text := range Texts {
		all := true
		for _, part := range text.Parts {
			all = all && strings.Contains(lower, strings.ToLower(part))
		}
		if all {
			return text.Sign
		}
	}
	return ""
}
