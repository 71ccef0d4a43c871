#!/usr/bin/env bash
# Several processes of one run on this machine, as a cluster would start them: launch/local.sh 2 --config=configs/dcgan.py
set -euo pipefail
processes=$1
shift
export GENGAN_DISTRIBUTED=1 GENGAN_NUM_PROCESSES=$processes
export JAX_COORDINATOR_ADDRESS=${JAX_COORDINATOR_ADDRESS:-localhost:9876}
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
for ((id = 1; id < processes; id++)); do
  GENGAN_PROCESS_ID=$id python -m gengan.main "$@" >"${TMPDIR:-/tmp}/gengan-process-$id.log" 2>&1 &
done
GENGAN_PROCESS_ID=0 python -m gengan.main "$@"
wait
