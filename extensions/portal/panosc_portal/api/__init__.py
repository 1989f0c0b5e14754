"""The PaNOSC search API, served from the index: any client of it can search this site."""
