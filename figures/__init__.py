"""What a reader sees: functions that draw labelled results and compute nothing.

style is the visual grammar, and looks has the colour and marker of every rule.
"""
