package api

// Objective is how one of a stream's targets stands over the last 28 days.
type Objective struct {
	Stream          string     `json:"stream"`
	Objective       string     `json:"objective" enum:"completeness,timeliness,latency,validity"`
	Target          float64    `json:"target" doc:"share of the events that must meet it"`
	ThresholdMillis int64      `json:"thresholdMillis,omitempty" doc:"of latency and timeliness: how late an event or window may be"`
	Days            int        `json:"days" doc:"how long a budget lasts"`
	Events          uint64     `json:"events" doc:"events counted"`
	Bad             uint64     `json:"bad" doc:"of these, those that miss it"`
	Share           *float64   `json:"share,omitempty" doc:"of the events, those that meet it; never rounded up to 1; absent where there are none"`
	BudgetLeft      float64    `json:"budgetLeft" doc:"1 while nothing is used up, 0 when all is, negative once it is overdrawn"`
	Burn            []BurnRate `json:"burn"`
	Alarms          []string   `json:"alarms" doc:"that ring now: the rate, and over which two spans it is exceeded"`
}

// BurnRate is how fast a budget is used up over a span, up to now.
type BurnRate struct {
	SpanMillis int64   `json:"spanMillis"`
	Events     uint64  `json:"events"`
	Bad        uint64  `json:"bad"`
	Rate       float64 `json:"rate" doc:"1 uses the budget up in exactly its days; at most 1000000"`
}
