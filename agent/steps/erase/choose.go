package erase

import (
	"fmt"
	"strings"
)

// Policy says how thoroughly a disk is erased. clear and purge are the words of NIST SP 800-88.
type Policy string

// Policies.
const (
	PolicyMetadata Policy = "metadata" // signatures, partition tables and both ends: the rest of the data stays
	PolicyClear    Policy = "clear"    // every block that can be addressed
	PolicyPurge    Policy = "purge"    // by the disk itself, also the blocks that cannot be addressed
)

// Request is what is asked of one disk.
type Request struct {
	Policy Policy
	// OrClear lets a disk that declares no method of PolicyPurge be erased as by PolicyClear.
	OrClear bool
}

// Method is a way to erase a disk.
type Method string

// Methods.
const (
	Metadata           Method = "metadata"              // zeros over signatures and both ends
	Overwrite          Method = "overwrite"             // zeros over the whole disk
	NVMeFormatUserData Method = "nvme-format-user-data" // Format NVM, SES 1
	NVMeFormatCrypto   Method = "nvme-format-crypto"    // Format NVM, SES 2
	NVMeSanitizeCrypto Method = "nvme-sanitize-crypto"  // Sanitize, action 4
	NVMeSanitizeBlock  Method = "nvme-sanitize-block"   // Sanitize, action 2
	ATASecurityErase   Method = "ata-security-erase"    // SECURITY ERASE UNIT
	ATAEnhancedErase   Method = "ata-enhanced-erase"    // SECURITY ERASE UNIT, enhanced
	ATASanitizeCrypto  Method = "ata-sanitize-crypto"   // CRYPTO SCRAMBLE EXT
	ATASanitizeBlock   Method = "ata-sanitize-block"    // BLOCK ERASE EXT
	SCSISanitizeCrypto Method = "scsi-sanitize-crypto"  // SANITIZE, service action 3
	SCSISanitizeBlock  Method = "scsi-sanitize-block"   // SANITIZE, service action 2
)

// methodsOf are the methods of a policy, in the order in which they are tried.
func methodsOf(p Policy) []Method {
	switch p {
	case PolicyMetadata:
		return []Method{Metadata}
	case PolicyClear:
		return []Method{NVMeFormatUserData, ATASecurityErase, Overwrite}
	case PolicyPurge:
		return []Method{NVMeSanitizeCrypto, NVMeSanitizeBlock, NVMeFormatCrypto, ATAEnhancedErase, ATASanitizeCrypto,
			ATASanitizeBlock, SCSISanitizeCrypto, SCSISanitizeBlock}
	default:
		return nil
	}
}

// Choice is the method for a disk. Passed says why earlier methods of the policy are not used; methods for disks of
// another kind are left out.
type Choice struct {
	Method Method
	Passed []string
}

// Choose gives the first method of the policy that the disk declares. A method that is not declared is not used, even
// if the disk would answer Success. An error says why no method is left.
func Choose(request Request, has Capabilities) (Choice, error) {
	order := methodsOf(request.Policy)
	if len(order) == 0 {
		return Choice{}, fmt.Errorf("there is no policy %q: metadata, clear or purge", request.Policy)
	}
	if request.Policy == PolicyPurge && request.OrClear {
		order = append(order, methodsOf(PolicyClear)...)
	}
	var choice Choice
	for _, method := range order {
		why := whyNot(method, has)
		if why == "" {
			choice.Method = method
			return choice, nil
		}
		if why != otherKind {
			choice.Passed = append(choice.Passed, string(method)+": "+why)
		}
	}
	if len(choice.Passed) == 0 {
		choice.Passed = []string{has.describeUnknown()}
	}
	return Choice{}, fmt.Errorf("the disk declares no way to purge it (%s): write orClear: true, or policy: clear",
		strings.Join(choice.Passed, "; "))
}

// otherKind is why a method is not used that is for disks of another kind.
const otherKind = "another kind of disk"

// whyNot says why a method is not used on a disk, or "":
//
//	method                  declared by
//	metadata, overwrite     every disk that can be written
//	nvme-format-user-data   OACS bit 1
//	nvme-format-crypto      OACS bit 1 and FNA bit 2
//	nvme-sanitize-crypto    SANICAP bit 0
//	nvme-sanitize-block     SANICAP bit 1
//	ata-security-erase      IDENTIFY word 82 bit 1, word 128 bit 0: neither enabled, locked, frozen nor expired
//	ata-enhanced-erase      the same, and word 128 bit 5
//	ata-sanitize-crypto     word 59 bits 12 and 13
//	ata-sanitize-block      word 59 bits 12 and 15
//	scsi-sanitize-crypto    REPORT SUPPORTED OPERATION CODES: 48h with service action 3
//	scsi-sanitize-block     REPORT SUPPORTED OPERATION CODES: 48h with service action 2
//
// A command that would reach other namespaces than the disk's own is not used.
func whyNot(method Method, has Capabilities) string {
	switch method {
	case Metadata, Overwrite:
		return ""
	case NVMeFormatUserData, NVMeFormatCrypto, NVMeSanitizeCrypto, NVMeSanitizeBlock:
		if has.NVMe == nil {
			return otherKind
		}
		return has.NVMe.whyNot(method)
	case ATASecurityErase, ATAEnhancedErase, ATASanitizeCrypto, ATASanitizeBlock:
		if has.ATA == nil {
			return otherKind
		}
		return has.ATA.whyNot(method)
	case SCSISanitizeCrypto, SCSISanitizeBlock:
		if has.SCSI == nil || has.ATA != nil { // an ATA disk is asked in its own words
			return otherKind
		}
		return has.SCSI.whyNot(method)
	default:
		panic("erase: unknown method " + string(method))
	}
}

// isFoundAsZeros reports whether a disk reads as zeros after a method. After the other methods a disk may read as
// anything but its old data.
func (m Method) isFoundAsZeros() bool {
	switch m {
	case Overwrite, NVMeFormatUserData, ATASecurityErase:
		return true
	case Metadata, NVMeFormatCrypto, NVMeSanitizeCrypto, NVMeSanitizeBlock, ATAEnhancedErase, ATASanitizeCrypto,
		ATASanitizeBlock, SCSISanitizeCrypto, SCSISanitizeBlock:
		return false
	default:
		panic("erase: unknown method " + string(m))
	}
}
