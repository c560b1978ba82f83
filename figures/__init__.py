"""What a reader sees: functions that draw labelled results and compute nothing. `style` is the visual grammar."""
