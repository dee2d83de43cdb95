#!/bin/sh
# Paints the pictures of the README's table from content.png, style.png and mosaic.png in FOLDER, and writes them, all of one
# height, as JPEGs. Paintings that FOLDER has already are kept.
#
#   ./gallery.sh FOLDER TO
set -eu
folder=$1 to=$2
binaries=${CARGO_TARGET_DIR:-target}/release
content=$folder/content.png style=$folder/style.png mosaic=$folder/mosaic.png

# paint NAME STYLE… OPTION…
paint() {
    name=$1
    shift
    [ -e "$folder/$name.png" ] || "$binaries/impasto" transfer "$content" "$@" -q -o "$folder/$name.png"
}

paint plain "$style" --size 320
paint strength-0.25 "$style" --size 320 --strength 0.25
paint strength-0.75 "$style" --size 320 --strength 0.75
paint strokes-160 "$style" --size 320 --style-size 160
paint strokes-640 "$style" --size 320 --style-size 640
paint colors-content "$style" --size 320 --colors content
paint colors-match "$style" --size 320 --colors match
paint colors-only "$style" --size 320 --colors only
paint tiles "$mosaic" --size 320
paint blend "$style" "$mosaic" --size 320
paint size-128 "$style" --size 128
paint size-640 "$style" --size 640

mkdir -p "$to"
for name in content style plain strength-0.25 strength-0.75 strokes-160 strokes-640 colors-content colors-match colors-only tiles \
    blend size-128 size-640; do
    "$binaries/examples/side_by_side" "$to/$name.jpg" 168 "$folder/$name.png"
done
