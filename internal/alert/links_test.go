package alert

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLinksFollowTheRegionsPartition(t *testing.T) {
	for region, host := range map[string]string{
		"us-east-1": "console.aws.amazon.com", "eu-central-1": "console.aws.amazon.com", "ap-southeast-7": "console.aws.amazon.com",
		"us-gov-west-1": "console.amazonaws-us-gov.com", "us-gov-east-1": "console.amazonaws-us-gov.com",
		"cn-north-1": "console.amazonaws.cn", "cn-northwest-1": "console.amazonaws.cn",
		"eusc-de-east-1": "eusc-de-east-1.console.amazonaws-eusc.eu",
	} {
		assert.Equal(t, "https://"+host+"/ec2/home?region="+region+"#SecurityGroup:groupId="+testGroup, GroupURL(region, testGroup))
		assert.Equal(t, "https://"+host+"/cloudtrailv2/home?region="+region+"#/events/"+testEvent, EventURL(region, testEvent))
	}
	for _, region := range []string{"", "moon", "us-east-1/../x", "us-east-1#"} {
		assert.Empty(t, GroupURL(region, testGroup), region)
		assert.Empty(t, groupARN(testAccount, region, testGroup), region)
	}
	// Of these the console is not public, and the ARNs are.
	for region, partition := range map[string]string{"us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f"} {
		assert.Empty(t, GroupURL(region, testGroup), region)
		assert.Equal(t, "arn:"+partition+":ec2:"+region+":123456789012:security-group/"+testGroup, groupARN(testAccount, region, testGroup))
	}
	assert.Empty(t, GroupURL("us-east-1", "sg-1|x>"))
	assert.Empty(t, EventURL("us-east-1", ""))
	assert.Equal(t, "arn:aws-cn:ec2:cn-north-1:123456789012:security-group/"+testGroup, groupARN(testAccount, "cn-north-1", testGroup))
	assert.Equal(t, "arn:aws-us-gov:ec2:us-gov-west-1:123456789012:security-group/"+testGroup, groupARN(testAccount, "us-gov-west-1", testGroup))
}
