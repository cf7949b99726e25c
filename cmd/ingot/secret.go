package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/gitmetal/ingot/cmd/ingot/agekeys"
	"github.com/gitmetal/ingot/internal/sealing"
	"github.com/gitmetal/ingot/inventory/gitrepo"
	"github.com/gitmetal/ingot/inventory/secrets"
)

func newSecret(s streams) *cobra.Command {
	command := &cobra.Command{
		Use:   "secret",
		Short: "Make, edit and rotate the fleet's Secrets: SOPS files with age keys",
		Long:  "Values are never arguments. sops opens the written files too.",
	}
	command.AddCommand(newSecretCreate(s), newSecretEdit(s), newSecretRotate(s), newSecretScope(s))
	return command
}

// secretCreateOptions are the flags of ingot secret create.
type secretCreateOptions struct {
	plain      secrets.Plain
	input      sealing.Input
	repo, out  string
	recipients []string
	reviewed   bool
}

func newSecretCreate(s streams) *cobra.Command {
	o := secretCreateOptions{input: sealing.Input{In: s.In, Talk: s.Err}}
	command := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a Secret of files, of what is typed, or of standard input",
		Long: "Values come from --from-file; without it they are asked for on the terminal and not shown; without\n" +
			"a terminal, standard input gives them as key=value, one a line, or as YAML. The Secret is\n" +
			"encrypted for the recipients of --age; without --age for those of the rule in .sops.yaml that\n" +
			"matches the file; without a rule for those of the fleet's other Secrets.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.plain.Name = args[0]
			return createSecret(c.Context(), s, o)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.repo, "repo", ".", "the fleet")
	flags.StringVarP(&o.out, "output-file", "o", "",
		"where to write it; - for standard output (default secrets/NAME.yaml in the fleet)")
	addScopeFlags(command, &o.plain.Scope)
	flags.BoolVar(&o.reviewed, "reviewed-scope", false,
		"let people without a key change later, with 'ingot secret scope', which hosts may use the Secret; whoever\n"+
			"may merge changes then decides it. Without this flag, a change needs an age key")
	flags.StringArrayVar(&o.recipients, "age", nil,
		"age recipient (age1…), or SSH public key, that it is encrypted for; may be given several times")
	flags.StringArrayVar(&o.input.Files, "from-file", nil,
		"key=path: the value of a key is what the file holds, to the last byte; bytes that are no text go below\n"+
			"spec.binaryData; may be given several times")
	flags.StringArrayVar(&o.input.Keys, "key", nil,
		"a key whose value is asked for on the terminal; may be given several times")
	return command
}

// createSecret reads the values, seals the Secret and writes the file.
func createSecret(ctx context.Context, s streams, o secretCreateOptions) error {
	file := o.out
	if o.out == "" || o.out == "-" {
		file = filepath.Join(o.repo, "secrets", o.plain.Name+".yaml")
	}
	who, from, err := recipientsFor(o.repo, file, o.recipients)
	if err != nil {
		return err
	}
	if o.plain.Data, err = o.input.ReadValues(ctx); err != nil {
		return err
	}
	o.plain.Data, o.plain.Binary = sealing.SplitValues(o.plain.Data)
	seal := sealing.SealSecret
	if o.reviewed {
		seal = sealing.SealReviewedSecret
	}
	sealed, err := seal(file, o.plain, who)
	if err != nil && !o.plain.Scope.Set() {
		err = fmt.Errorf("%w\nwho may use it is said with --scope-host, --scope-label key=value, --scope-delivery, or --scope-all", err)
	}
	if err != nil {
		return err
	}
	if o.out == "-" {
		_, err := s.Out.Write(sealed)
		return err
	}
	if err := sealing.WriteNew(file, sealed); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "%s: Secret %s with %s, for %s (%s)\n", file, o.plain.Name,
		strings.Join(append(slices.Sorted(maps.Keys(o.plain.Data)), slices.Sorted(maps.Keys(o.plain.Binary))...), ", "), countNoun(len(who), "recipient"), from)
	return nil
}

// recipientsFor gives the recipients of a new file, and where the recipients come from.
func recipientsFor(repo, file string, given []string) (recipients []age.Recipient, from string, err error) {
	from = "--age"
	if len(given) == 0 {
		from = secrets.RulesFile
		rule, err := secrets.FindRule(file)
		if err != nil {
			return nil, "", err
		}
		given = rule.Recipients
	}
	if len(given) == 0 {
		from = "as the fleet's other Secrets"
		if given, err = fleetRecipients(repo); err != nil {
			return nil, "", err
		}
	}
	recipients, err = secrets.ParseRecipients(given)
	if err == nil && len(recipients) == 0 {
		err = errors.New(
			"for whom? Name the daemon's age recipient with --age age1… (age-keygen -y prints it for the " +
				"file in ageKeys), or in a rule of .sops.yaml")
	}
	return recipients, from, err
}

// fleetRecipients gives the recipients of the fleet's Secrets, if all Secrets have the same.
func fleetRecipients(repo string) ([]string, error) {
	snapshot, err := gitrepo.ReadDirectory(repo)
	if err != nil {
		return nil, err
	}
	found, where := []string(nil), ""
	for _, name := range slices.Sorted(maps.Keys(snapshot.Files)) {
		if extension := path.Ext(name); extension != ".yaml" && extension != ".yml" {
			continue
		}
		recipients, err := secrets.ListRecipients(snapshot.Files[name].Data)
		switch {
		case err != nil: // no Secret, or a Secret of different keys
		case found != nil && !slices.Equal(found, recipients):
			return nil, fmt.Errorf("%s and %s are for different recipients: name those of the new Secret with --age",
				where, name)
		default:
			found, where = recipients, name
		}
	}
	return found, nil
}

func newSecretEdit(s streams) *cobra.Command {
	var keyFile string
	command := &cobra.Command{
		Use:   "edit FILE",
		Short: "Open a Secret in $EDITOR, and encrypt it anew for the same recipients",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			keys, err := agekeys.Read(keyFile)
			if err != nil {
				return err
			}
			editor := sealing.Editor{Command: os.Getenv("EDITOR"), In: s.In, Out: s.Out, Talk: s.Err}
			changed, err := editor.EditSecret(c.Context(), args[0], keys)
			if err == nil && !changed {
				fmt.Fprintf(s.Err, "%s: nothing changed, nothing is written\n", args[0])
			}
			return err
		},
	}
	agekeys.AddFlag(command, &keyFile)
	return command
}

func newSecretRotate(s streams) *cobra.Command {
	var keyFile string
	var given []string
	command := &cobra.Command{
		Use:   "rotate FILE...",
		Short: "Encrypt Secrets with new keys, for other recipients; what is in them stays, and no machine is touched",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			recipients, err := secrets.ParseRecipients(given)
			if err != nil {
				return err
			}
			if len(recipients) == 0 {
				return errors.New("for whom? Name every recipient that shall open them from now on with --age age1…; " +
					"those who are not named cannot any more")
			}
			keys, err := agekeys.Read(keyFile)
			if err != nil {
				return err
			}
			if err := sealing.RotateSecrets(files, keys, recipients); err != nil {
				return err
			}
			for _, note := range listStaleRules(files, given) {
				fmt.Fprintln(s.Err, note)
			}
			fmt.Fprintf(s.Out, "%s, for %s; whoever could open the old ones still can, in the history: change what "+
				"they hold too\n", countNoun(len(files), "Secret"), countNoun(len(recipients), "recipient"))
			return nil
		},
	}
	agekeys.AddFlag(command, &keyFile)
	command.Flags().StringArrayVar(&given, "age", nil,
		"age recipient (age1…) that they are encrypted for; may be given several times")
	return command
}

// listStaleRules names the rules that would encrypt new Secrets for recipients different from those of the rotated
// files.
func listStaleRules(files, given []string) (notes []string) {
	wanted := splitRecipients(given)
	for _, file := range files {
		rule, err := secrets.FindRule(file)
		note := ""
		switch {
		case err != nil:
			note = fmt.Sprintf("note: %v: whether it names these recipients is not known: see to it before an old "+
				"identity is taken away", err)
		case rule.File == "" || slices.Equal(splitRecipients(rule.Recipients), wanted):
			continue
		default:
			note = fmt.Sprintf("note: %s still names other recipients in creation_rules[%d]: new Secrets are for "+
				"those: write there, before an old identity is taken away:\n"+
				"  age: %s", rule.File, rule.Number, strings.Join(wanted, ","))
		}
		if !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return notes
}

// splitRecipients gives single recipients, sorted.
func splitRecipients(recipients []string) (all []string) {
	for _, one := range strings.Split(strings.Join(recipients, ","), ",") {
		if one = secrets.NormalRecipient(one); one != "" {
			all = append(all, one)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
