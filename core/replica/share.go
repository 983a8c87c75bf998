package replica

// stepShare is what one connection's requests may cost in one Step, in requests;
// those that walk through long lists count for more (state.TakeCost). A usual
// socket read brings far less.
const stepShare = 4000

// spend counts what a connection's last request has cost. One that has had its
// share rests until a More comes, so that nobody has the loop to himself.
func (r *Replica) spend(c *conn) {
	if c.costAt != r.steps {
		c.costAt, c.cost = r.steps, 0
	}
	c.cost += 1 + r.state.TakeCost()
	if c.cost <= stepShare || c.resting || c.phase == closing {
		return
	}
	c.resting = true
	r.resting.push(c)
	r.out.More = true
}

// more lets the connection go on that has rested longest.
func (r *Replica) more() {
	for r.resting.len() > 0 {
		c := *r.resting.front()
		r.resting.pop()
		c.resting = false
		if c.phase == closing {
			continue
		}
		r.advance(c)
		r.workOff(c)
		break
	}
	if r.resting.len() > 0 {
		r.out.More = true
	}
}
