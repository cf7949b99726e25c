package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitmetal/ingot/agent/facts"
	"github.com/gitmetal/ingot/agent/ipmi"
	"github.com/gitmetal/ingot/agent/ipmi/account"
	"github.com/gitmetal/ingot/agent/wire"
)

// bmcDevice is the kernel's device of the BMC.
const bmcDevice = "/dev/ipmi0"

// bmcTimeout bounds the questions to the BMC.
const bmcTimeout = 30 * time.Second

// Facts implements agent.Machine. A collector that fails is named among the errors, and hides no other.
func (m machine) Facts(ctx context.Context) (wire.Facts, error) {
	found, err := facts.Root("/").CollectFacts(ctx)
	if ctx.Err() != nil {
		return found, err
	}
	if m.neighbours != nil {
		m.addNeighbours(ctx, &found)
	}
	networks, failed := readBMC(ctx)
	if networks != nil {
		found.BMC = &wire.BMC{Networks: networks}
	}
	if failed != nil {
		found.Errors = append(found.Errors, failed.Error())
	}
	return found, err
}

// addNeighbours adds what switches said to network cards. An agent of a discovery medium, which has the time, waits for
// them.
func (m machine) addNeighbours(ctx context.Context, found *wire.Facts) {
	var linked []string
	for _, card := range found.NICs {
		if card.Link {
			linked = append(linked, card.Name)
		}
	}
	if m.patient {
		m.neighbours.Wait(ctx, linked)
	}
	for i, card := range found.NICs {
		found.NICs[i].LLDP = m.neighbours.Heard(card.Name)
	}
	if err := m.neighbours.Failure(); err != nil {
		found.Errors = append(found.Errors, err.Error())
	}
}

// readBMC reads the networks of the machine's BMC in-band; nil without a BMC.
func readBMC(ctx context.Context) ([]wire.BMCNetwork, error) {
	device, err := ipmi.Open(bmcDevice)
	if errors.Is(err, ipmi.ErrNoDevice) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("BMC: %w", err)
	}
	defer func() { _ = device.Close() }() // was only asked
	ctx, cancel := context.WithTimeout(ctx, bmcTimeout)
	defer cancel()
	networks, err := account.ReadNetworks(ctx, device)
	if err != nil {
		return networks, fmt.Errorf("BMC: %w", err)
	}
	return networks, nil
}

// accountTime bounds an order about the BMC's accounts: some dozens of messages, each within ipmi.Answer.
const accountTime = 5 * time.Minute

// CarryAccount implements agent.Machine.
func (machine) CarryAccount(ctx context.Context, order wire.AccountOrder) wire.AccountReport {
	device, err := ipmi.Open(bmcDevice)
	if err != nil {
		return wire.AccountReport{ID: order.ID, Slot: order.Slot, Problem: wire.AccountNoBMC, Error: err.Error()}
	}
	defer func() { _ = device.Close() }() // nothing is under way any more
	ctx, cancel := context.WithTimeout(ctx, accountTime)
	defer cancel()
	return account.Carry(ctx, device, order)
}
