package plan

// Identified gives an action for a new operation or boot an id. Plans have no ids, as the same values give the same
// plan.
func (a Action) Identified(newID func() string) Action {
	if o := a.Operation; a.Kind == OpenOperation && o != nil && o.ID == "" {
		fresh := *o
		fresh.ID = newID()
		a.Operation = &fresh
	}
	if b := a.Boot; a.Kind == OpenBoot && b != nil && b.ID == "" {
		fresh := *b
		fresh.ID = newID()
		a.Boot = &fresh
	}
	return a
}
