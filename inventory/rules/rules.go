// Package rules decides conditions over one machine, written in CEL (the Common Expression Language): the `when` of a
// step and of a Rule; and computes the values that a Rule sets.
//
// Call NewCompiler and Compiler.Compile first; Rule.Decide then says whether a condition holds on a machine, and why
// not. Compiler.CompileValue and Value.Compute do the same for values. An expression sees facts, labels, vars, name and
// id of the machine, and nothing else: no clock, no secrets, no randomness. Do not read a missing fact as an empty one:
// a field that the machine does not report is an error, and a condition with an error does not hold. The package is
// pure.
package rules

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"

	"github.com/gitmetal/ingot/inventory"
	"github.com/gitmetal/ingot/schemas"
)

// Limits of one expression, which has at most schemas.MaxCondition bytes.
const (
	maxCost  = 100_000 // steps of CEL's own cost model in one decision
	maxDepth = 64      // nested parts
)

// Machine is what an expression is asked of.
type Machine struct {
	// Facts are the machine's facts; nil while no agent has looked at the machine.
	Facts  *inventory.Facts
	Labels map[string]string
	Vars   map[string]string
	Name   string
	ID     inventory.MachineID
}

// Mistake says why an expression cannot be used. Line and Column count from 1, in the expression.
type Mistake struct {
	Line, Column int
	Message      string
}

// Compiler compiles expressions. The same text is compiled once. A Compiler is for one goroutine.
type Compiler struct {
	environment *cel.Env
	known       map[string]compiled
}

// compiled is a compiled expression, or its mistake.
type compiled struct {
	rule    Rule
	mistake *Mistake
}

// Rule is a compiled condition.
type Rule struct{ program cel.Program }

// NewCompiler makes a Compiler.
func NewCompiler() *Compiler {
	environment, err := cel.NewCustomEnv(
		cel.StdLib(), ext.Strings(), ext.Lists(), ext.Sets(), ext.Network(),
		cel.CustomTypeProvider(newTypes()),
		cel.Variable("facts", cel.ObjectType(typeFacts)),
		cel.Variable("labels", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("vars", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("name", cel.StringType),
		cel.Variable("id", cel.StringType),
		cel.ParserExpressionSizeLimit(schemas.MaxCondition),
		cel.ParserRecursionLimit(maxDepth),
	)
	if err != nil {
		panic("rules: the environment of expressions: " + err.Error()) // made of constants
	}
	return &Compiler{environment: environment, known: map[string]compiled{}}
}

// Compile compiles an expression, or says why the expression cannot be used.
func (c *Compiler) Compile(text string) (Rule, *Mistake) {
	known, ok := c.known[text]
	if !ok {
		known.rule, known.mistake = c.compile(text)
		c.known[text] = known
	}
	return known.rule, known.mistake
}

func (c *Compiler) compile(text string) (Rule, *Mistake) {
	program, given, mistake := c.program(text)
	if mistake == nil && !given.IsExactType(cel.BoolType) {
		mistake = &Mistake{Line: 1, Column: 1, Message: fmt.Sprintf("the expression gives %s, want true or false", given)}
	}
	if mistake != nil {
		return Rule{}, mistake
	}
	return Rule{program}, nil
}

// program compiles an expression, and gives the type of the result.
func (c *Compiler) program(text string) (cel.Program, *cel.Type, *Mistake) {
	if i := strings.Index(text, "${"); i >= 0 {
		return nil, nil, placeMistake(text, i, "an expression has no ${…}: write vars.NAME for a var of the host; an "+
			"expression sees no secrets")
	}
	tree, issues := c.environment.Compile(text)
	if found := issues.Errors(); len(found) > 0 {
		first := found[0]
		return nil, nil, &Mistake{Line: max(1, first.Location.Line()), Column: max(0, first.Location.Column()) + 1,
			Message: firstLine(first.Message)}
	}
	program, err := c.environment.Program(tree, cel.CostLimit(maxCost))
	if err != nil {
		return nil, nil, &Mistake{Line: 1, Column: 1, Message: firstLine(err.Error())}
	}
	return program, tree.OutputType(), nil
}

// placeMistake is a mistake at a byte of an expression.
func placeMistake(text string, at int, message string) *Mistake {
	before := text[:at]
	line := strings.LastIndexByte(before, '\n') + 1
	return &Mistake{Line: strings.Count(before, "\n") + 1, Column: len([]rune(before[line:])) + 1, Message: message}
}

// Decide says whether a condition holds on a machine; why is "" where the condition holds. The same machine gives the
// same answer.
func (r Rule) Decide(m Machine) (holds bool, why string) {
	value, _, err := r.program.Eval(m.variables())
	switch {
	case err != nil:
		return false, explainError(err)
	case value.Value() == true:
		return true, ""
	default:
		return false, "the condition is false"
	}
}

// variables are what an expression sees of a machine.
func (m Machine) variables() map[string]any {
	return map[string]any{"facts": describeFacts(m.Facts), "labels": withoutNil(m.Labels), "vars": withoutNil(m.Vars),
		"name": m.Name, "id": string(m.ID)}
}

// explainError words an error of an evaluation.
func explainError(err error) string {
	text := firstLine(err.Error())
	if name, missing := strings.CutPrefix(text, "no such key: "); missing {
		return "the machine has no " + name
	}
	if strings.Contains(text, "cost limit") {
		return "the expression takes too long"
	}
	return "the expression fails: " + text
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func withoutNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
