// edge-hostile, what a hostile pod of the lab does: it looks around, tries to get out, and uses up
// what it is given.
module edge-lab/images/hostile

go 1.25.0
