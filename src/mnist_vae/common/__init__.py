"""What every stage uses, and what decides bytes: parameters, data sets, seeds, the device, atomic writes."""
