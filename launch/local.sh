#!/usr/bin/env bash
# Several processes of one run on this machine, as a cluster would start them: launch/local.sh 2 --config=configs/dcgan.py
set -euo pipefail
[[ ${1:-} =~ ^[1-9][0-9]*$ ]] || {
  echo "$0: the number of processes comes first, as in $0 2 --config=configs/dcgan.py" >&2
  exit 2
}
processes=$1
shift
export GENGAN_DISTRIBUTED=1 GENGAN_NUM_PROCESSES=$processes
export JAX_COORDINATOR_ADDRESS=${JAX_COORDINATOR_ADDRESS:-localhost:9876}
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
log() { echo "${TMPDIR:-/tmp}/gengan-process-$1.log"; }
started=(0)
for ((id = 1; id < processes; id++)); do
  GENGAN_PROCESS_ID=$id python -m gengan.main "$@" >"$(log "$id")" 2>&1 &
  started[id]=$!
done
GENGAN_PROCESS_ID=0 python -m gengan.main "$@"
status=0
for ((id = 1; id < processes; id++)); do  # `wait` without a process would forget how each of them ended
  wait "${started[id]}" || { status=$?; echo "process $id failed with $status; see $(log "$id")" >&2; }
done
exit "$status"
