"""Axes and templates to draws and prompts: pure, seeded, in constant memory for a grid of 10^12 cells.

    axes = load_axes(recipe)                      the values of every axis, and the conditions on a cell
    for draw in wanted(recipe, axes):             the draws that the recipe asks for, stable under edits
        fill(recipe, draw, answers, 0)            the messages of its first question
        train_messages(recipe, draw, answers)     what the tuned model will see
"""
