package messages

func check(m message, body []byte) error { return nil }
