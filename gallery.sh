#!/bin/sh
# Paints the pictures of README.md, docs/gallery.md and docs/when-it-disappoints.md from those that the example draw_demo draws into FOLDER,
# writes them as JPEGs of one height into DOCS/gallery, and writes DOCS/gallery.md: each picture with its command. Paintings that
# FOLDER has already are kept.
#
#   ./gallery.sh FOLDER DOCS
set -eu
binaries=$(realpath "${CARGO_TARGET_DIR:-target}/${PROFILE:-release}")
here=$PWD docs=$(realpath "$2")
mkdir -p "$docs/gallery"
cd "$1"

# show NAME: the picture as a JPEG.
show() {
    "$binaries/examples/side_by_side" "$docs/gallery/$1.jpg" 168 "$1.png"
}

# strip NAME PICTURE…: several in a row.
strip() {
    name=$1
    shift
    "$binaries/examples/side_by_side" "$docs/gallery/$name.jpg" 168 "$@"
}

# paint NAME CONTENT STYLE… OPTION…: paints and shows a picture.
paint() {
    name=$1
    shift
    [ -e "$name.png" ] || "$binaries/impasto" transfer "$@" -q -o "$name.png"
    show "$name"
    line "$name" "impasto transfer $* -o $name.png"
}

# The page: a heading, a sentence, and a table.
line() { printf '| ![%s](gallery/%s.jpg) | `%s` |\n' "$1" "$1" "$2" >> "$docs/gallery.md"; }
section() { printf '\n## %s\n\n%s\n\n| | |\n|---|---|\n' "$1" "$2" >> "$docs/gallery.md"; }

cat > "$docs/gallery.md" << 'END'
# The gallery

Each picture of the README with the command that makes it. `make gallery` draws the inputs, runs these commands with trained
weights, and writes this page (`gallery.sh`). Everything is drawn or painted by the code in this repository.
END

section "Drawn" "Three pictures to repaint and four styles, by \`cargo run --release --package impasto-drawing --example draw_demo -- FOLDER\`."
for name in content portrait fox style ink mosaic cut-paper; do
    show "$name"
    line "$name" "$name.png"
done

section "Results" "The README's first four pictures, by the default settings."
paint plain content.png style.png --size 320
paint fox-ink fox.png ink.png --size 256
paint portrait-cut-paper portrait.png cut-paper.png --size 256
paint tiles content.png mosaic.png --size 320
strip strip plain.png fox-ink.png portrait-cut-paper.png tiles.png

section "Strength" "From the photograph to a free painting."
for strength in 0 0.25 0.5 0.75 1; do
    paint "strength-$strength" content.png style.png --size 256 --strength "$strength"
done
strip strengths strength-0.png strength-0.25.png strength-0.5.png strength-0.75.png strength-1.png

section "Stroke size" "The longer side of the painting: a larger painting gives larger strokes."
paint strokes-160 content.png style.png --size 320 --style-size 160
paint strokes-640 content.png style.png --size 320 --style-size 640

section "Colours" "The photograph's colours, the painting recoloured, or only the colours."
for colors in content match only; do
    paint "colors-$colors" content.png style.png --size 320 --colors "$colors"
done

section "Two styles" "Blended in equal parts."
paint blend content.png style.png mosaic.png --size 320

section "Masks" "The mask's white goes to the first style, its black to the second."
show sky
line sky "sky.png"
paint masks content.png style.png mosaic.png --size 256 --content-mask sky.png --style-mask white.png,black.png

section "Size" "The longer side in pixels."
paint size-128 content.png style.png --size 128
paint size-640 content.png style.png --size 640

section "The studio" "\`impasto studio\`, by \`tests/browser/run --screenshot\` if Chromium is there."
if [ ! -e studio.png ]; then
    "$here/tests/browser/run" --screenshot "$binaries/impasto" "$PWD/studio.png"
fi
if [ -e studio.png ]; then
    "$binaries/examples/side_by_side" "$docs/gallery/studio.jpg" 560 studio.png
fi
line studio "impasto studio"

section "When a picture disappoints" "More pictures of [when-it-disappoints.md](when-it-disappoints.md)."
paint grain content.png style.png --size 256 --weights random
paint portrait-gentle portrait.png cut-paper.png --size 256 --strength 0.25
