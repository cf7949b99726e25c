package rules

import (
	"fmt"

	"github.com/gitmetal/ingot/inventory/steps"
)

// DecideAll decides the conditions of a step: all must hold. why names the first condition that does not hold.
func (c *Compiler) DecideAll(conditions []steps.Condition, m Machine) (holds bool, why string) {
	for _, condition := range conditions {
		rule, mistake := c.Compile(condition.Text)
		if mistake != nil { // package load has compiled the condition
			return false, fmt.Sprintf("the condition in %s cannot be used: %s", condition.From, mistake.Message)
		}
		if holds, why := rule.Decide(m); !holds {
			return false, fmt.Sprintf("%s (%s)", why, condition.From)
		}
	}
	return true, ""
}
