package agent

// DefaultFile is where the configuration is looked for when no --config names one.
const DefaultFile = "C:\\ProgramData\\Yagura\\sensor.yaml"
