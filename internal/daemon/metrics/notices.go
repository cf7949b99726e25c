package metrics

import "github.com/gitmetal/ingot/internal/daemon/notify"

// addNotices adds the counters of what people outside are told.
func (m *Metrics) addNotices() {
	m.notifications = m.counters("notifications_total",
		"Tries to send a notification, by result (sent, failed: tried again, lost: given up).", "receiver", "result")
	m.notificationsWaiting = m.gauges("notifications_waiting", "Notifications that a receiver has not taken yet.",
		"receiver")
	m.statuses = m.counters("commit_statuses_total", "Tries to send a commit status to the forge, by result (sent, failed).",
		"result")
	m.statusesWaiting = m.gauge("commit_statuses_waiting", "Commit statuses that the forge does not show yet.")
	for _, result := range []notify.Result{notify.Sent, notify.Fail} {
		m.statuses.WithLabelValues(string(result))
	}
}

// PresetReceiver begins the counters of a receiver with 0, so that the first loss is an increase too.
func (m *Metrics) PresetReceiver(name string) {
	for _, result := range []notify.Result{notify.Sent, notify.Fail, notify.Lost} {
		m.notifications.WithLabelValues(name, string(result))
	}
	m.SetNotificationsWaiting(name, 0)
}

// CountNotification implements notify.Meter.
func (m *Metrics) CountNotification(receiver string, result notify.Result) {
	m.notifications.WithLabelValues(receiver, string(result)).Inc()
}

// SetNotificationsWaiting implements notify.Meter.
func (m *Metrics) SetNotificationsWaiting(receiver string, events int) {
	m.notificationsWaiting.WithLabelValues(receiver).Set(float64(events))
}

// CountCommitStatus implements notify.Meter.
func (m *Metrics) CountCommitStatus(result notify.Result) {
	m.statuses.WithLabelValues(string(result)).Inc()
}

// SetCommitStatusesWaiting implements notify.Meter.
func (m *Metrics) SetCommitStatusesWaiting(statuses int) { m.statusesWaiting.Set(float64(statuses)) }
