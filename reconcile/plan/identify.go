package plan

// Identified is an action whose new operation or boot has an id: plans have none, as the same values give the same plan.
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
