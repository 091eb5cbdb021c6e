package audit

func childOfKillTest() bool { return false }
