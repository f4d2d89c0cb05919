package agent

// DefaultFile is where the configuration is looked for when no --config names one.
const DefaultFile = "/etc/yagura/sensor.yaml"
