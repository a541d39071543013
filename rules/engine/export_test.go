package engine

// Plans is the number of topics that the gate remembers.
func (g *Gate) Plans() int { return len(g.plans) }
