#!/bin/bash
# run.sh FOLDER: an X server whose VNC socket is FOLDER/rfb, and a desktop in it. Whichever of the two ends first ends the
# other; so does the end of standard input, which is a pipe of the Jupyter server's.
set -u
umask 077
folder=$1
export XAUTHORITY=$folder/Xauthority XDG_RUNTIME_DIR=$folder/run
# Programs shall not look for an accessibility bus or a session manager that is not there: each look takes a second.
export NO_AT_BRIDGE=1 GTK_A11Y=none
unset SESSION_MANAGER DBUS_SESSION_BUS_ADDRESS WAYLAND_DISPLAY
cd "${HOME:-/}" 2>/dev/null || cd /

cat >/dev/null <&0 &

# -rfbport -1, -nolisten: no network. A selection is not a copy: it does not go to the person's clipboard by itself.
rm -f "$folder/display"
mkfifo "$folder/display"
Xtigervnc -displayfd 5 -auth "$XAUTHORITY" \
  -rfbunixpath "$folder/rfb" -rfbunixmode 0600 -rfbport -1 -nolisten tcp -nolisten local -SecurityTypes None \
  -geometry 1280x800 -depth 24 -dpi 96 -extension GLX -AlwaysShared -AcceptSetDesktopSize -SendPrimary=0 \
  -MaxCutText=8388608 -desktop Desktop -Log '*:stderr:10' 5>"$folder/display" </dev/null &
read -r number <"$folder/display" || exit 1
echo "$number" >"$folder/number"
export DISPLAY=:$number
icewm >/dev/null 2>&1 </dev/null &

# Places that a person looks for. A home that is full or not writable has none, and the desktop starts all the same.
mkdir -p "$HOME/Desktop" 2>/dev/null
# pcmanfm reads these settings from the home only.
settings=$HOME/.config/pcmanfm/default
if [ ! -e "$settings/desktop-items-0.conf" ] && [ -e /usr/share/panosc-desktop/desktop-items-0.conf ]; then
  mkdir -p "$settings" 2>/dev/null && cp /usr/share/panosc-desktop/desktop-items-0.conf "$settings/" 2>/dev/null
fi
for place in /usr/share/panosc-desktop/Desktop/*; do
  [ -f "$place" ] && [ ! -e "$HOME/Desktop/${place##*/}" ] && cp "$place" "$HOME/Desktop/" 2>/dev/null
done
# Earlier desktops had copies of programs' own entries there. What the person changed stays.
for program in panosc-home panosc-proposals panosc-terminal silx-view pymca; do
  copy=$HOME/Desktop/$program.desktop
  [ -f "$copy" ] && cmp -s "$copy" "/usr/share/applications/$program.desktop" && rm -f "$copy"
done
if [ -d "$HOME/proposals" ] && [ ! -e "$HOME/.config/gtk-3.0/bookmarks" ]; then
  mkdir -p "$HOME/.config/gtk-3.0" 2>/dev/null
  echo "file://$HOME/proposals My proposals" 2>/dev/null >"$HOME/.config/gtk-3.0/bookmarks"
fi

pcmanfm --desktop >/dev/null 2>&1 </dev/null &
files=$!
disown "$files"

wait -n
kill "$files" $(jobs -p) 2>/dev/null
wait
