package forge

// APIURL gives where the API of a forge is.
func APIURL(c Config) string { return (&Client{config: c}).apiURL() }
