"""Case + State --step(case, state, control)--> State. Pure, seeded, no clock, no I/O."""
