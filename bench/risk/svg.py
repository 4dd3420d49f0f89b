"""Scatter plots in SVG, both axes logarithmic, without a library."""
import math

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 440, 64, 48, 40, 130
COLOURS = {"slipway": "#c0392b", "hawkbit": "#2980b9", "aws": "#e67e22", "mender": "#27ae60", "azure": "#8e44ad"}


def ticks(low, high):
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for digit in (1, 2, 5):
            value = digit * 10.0 ** power
            if low <= value <= high:
                yield value


def scatter(title, points):
    """points: (series, x, y), x and y above 0."""
    xs, ys = [p[1] for p in points] or [1, 10], [p[2] for p in points] or [1, 10]
    x0, x1, y0, y1 = min(xs) / 1.2, max(xs) * 1.2, min(ys) / 1.3, max(ys) * 1.3

    def at_x(x):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / x0) / math.log(x1 / x0)

    def at_y(y):
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * math.log(y / y0) / math.log(y1 / y0)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', f'<text x="{LEFT}" y="22" font-size="14">{title}</text>']
    for x in ticks(x0, x1):
        out.append(f'<path d="M{at_x(x):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                   f'<text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:g}</text>')
    for y in ticks(y0, y1):
        out.append(f'<path d="M{LEFT} {at_y(y):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{at_y(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">hours until 90 % have a good release</text>')
    for series, x, y in sorted(points, key=lambda p: p[0] == "slipway"):
        size = 5 if series == "slipway" else 3
        out.append(f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="{size}" fill="{COLOURS[series]}" fill-opacity="0.75"/>')
    for i, (series, colour) in enumerate(COLOURS.items()):
        out.append(f'<circle cx="{WIDTH - RIGHT + 16}" cy="{TOP + 12 + 20 * i}" r="5" fill="{colour}"/>'
                   f'<text x="{WIDTH - RIGHT + 28}" y="{TOP + 16 + 20 * i}">{series}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
